import { SignJWT } from "jose";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { IssuerTokens } from "../../../src/api/credentials/issuer-tokens.ts";
import { startLog } from "../../dts/support/log.ts";
import { eventually } from "../../helpers/deadline.ts";
import { OidcIssuer, type TokenOptions } from "../../helpers/oidc-issuer.ts";

let issuer: OidcIssuer;
beforeAll(async () => {
  issuer = await OidcIssuer.start();
});
afterAll(() => issuer.close());
afterEach(() => {
  issuer.mode = "up";
  vi.useRealTimers();
});

/** The part of the clock by which keys are read again. */
const holdPerformanceClock = () => vi.useFakeTimers({ toFake: ["performance"] });
const refused = expect.objectContaining({ slug: "unauthenticated", status: 401 });
const undecided = expect.objectContaining({ slug: "authentication-unavailable", status: 503 });

function start(log = startLog("silent")) {
  return new IssuerTokens(issuer.options, log.logger);
}

test("a token of the issuer for this API has the scopes of its roles, until it expires", async () => {
  const nowS = Math.floor(Date.now() / 1000);
  const token = await issuer.token(["operations:read:order-*", "operations:start:name=ship_order"]);
  const access = await start().verify(token);
  expect(access).toMatchObject({
    caller: "token:alice",
    authentication: "token",
    grants: [
      { scope: "operations:read", prefix: "order-" },
      { scope: "operations:start", name: "ship_order" },
    ],
  });
  expect(access.expiresAtMs).toBeGreaterThanOrEqual((nowS + 3600) * 1000);
});

test("scopes are those of scp, scope and roles; what is not one of ours is nothing", async () => {
  const tokens = start();
  for (const [claims, scopes] of [
    [{ scp: "User.Read operations:read openid" }, ["operations:read"]],
    [{ scp: ["operations:read", 7] }, ["operations:read"]],
    [{ scope: "operations:read streams:token" }, ["operations:read", "streams:token"]],
    [{ scp: "operations:read", roles: ["hints:send"] }, ["operations:read", "hints:send"]],
    [{ roles: "operations:control" }, ["operations:control"]],
    [{ roles: ["Admin", "operations:write", "operations:*"] }, []],
    [{ roles: { "operations:read": true } }, []],
  ] as [Record<string, unknown>, string[]][]) {
    const access = await tokens.verify(
      await issuer.token([], { claims: { roles: [], ...claims } }),
    );
    expect(
      access.grants.map(({ scope }) => scope),
      JSON.stringify(claims),
    ).toEqual(scopes);
  }
});

test("a token that is expired, for another API, of another issuer or forged is refused", async () => {
  const tokens = start();
  const nowS = Math.floor(Date.now() / 1000);
  const cases: [TokenOptions, RegExp][] = [
    [{ expiresInS: 0 }, /expired/],
    [{ expiresInS: -3600 }, /expired/],
    [{ claims: { exp: undefined } }, /claim exp/],
    [{ claims: { sub: undefined } }, /claim sub/],
    [{ claims: { sub: "x".repeat(256) } }, /sub is too long/],
    [{ claims: { aud: "api://other" } }, /claim aud/],
    [{ claims: { aud: undefined } }, /claim aud/],
    [{ claims: { iss: "https://evil.example" } }, /claim iss/],
    [{ claims: { iss: `${issuer.url}/` } }, /claim iss/],
    [{ claims: { nbf: nowS + 300 } }, /claim nbf/],
    [{ header: { typ: "logout+jwt" } }, /not an access token/],
    [{ header: { typ: "dpop+jwt" } }, /not an access token/],
    [{ forged: true }, /signature/],
    [{ header: { kid: "unknown" } }, /key is not one/],
  ];
  for (const [options, reason] of cases) {
    const token = await issuer.token(["operations:read"], options);
    const what = JSON.stringify(options);
    const error = await tokens.verify(token).catch((thrown: unknown) => thrown);
    expect(error, what).toEqual(refused);
    expect((error as Error).message, what).toMatch(reason);
  }
  for (const garbage of ["a.b.c", "eyJhbGciOiJub25lIn0.e30.", "eyJ9.e30.AA"]) {
    await expect(tokens.verify(garbage), garbage).rejects.toEqual(refused);
  }
});

test("a clock that is a minute ahead, and the types of access tokens, are accepted", async () => {
  const tokens = start();
  const nbf = Math.floor(Date.now() / 1000) + 30;
  for (const options of [
    { claims: { nbf } },
    { header: { typ: "at+jwt" } },
    { header: { typ: "application/at+jwt" } },
    { header: { typ: undefined } },
    { claims: { aud: ["other", issuer.audience] } },
  ]) {
    await expect(tokens.verify(await issuer.token([], options))).resolves.toBeDefined();
  }
});

test("a token that is signed with a shared secret, or not at all, is refused", async () => {
  const tokens = start();
  const nowS = Math.floor(Date.now() / 1000);
  const claims = { iss: issuer.url, aud: issuer.audience, sub: "eve", exp: nowS + 60 };
  const secret = new TextEncoder().encode("x".repeat(64));
  for (const alg of ["HS256", "HS512"]) {
    const token = await new SignJWT(claims).setProtectedHeader({ alg, kid: "key-1" }).sign(secret);
    await expect(tokens.verify(token)).rejects.toThrow("algorithm is not accepted");
  }
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const unsigned = `${encode({ alg: "none", typ: "JWT" })}.${encode(claims)}.`;
  await expect(tokens.verify(unsigned)).rejects.toEqual(refused);
});

test("a new key is found when a token names it, and unknown ones are asked for at most every 5 s (ISSUER-2)", async () => {
  holdPerformanceClock();
  const tokens = start();
  await tokens.verify(await issuer.token([]));
  const before = issuer.keyRequests;
  await issuer.rotate();
  const token = await issuer.token([]);
  await expect(tokens.verify(token)).rejects.toEqual(refused);
  expect(issuer.keyRequests).toBe(before);
  vi.advanceTimersByTime(5000);
  const unknown = await issuer.token([], { header: { kid: "unknown" } });
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) => tokens.verify(index % 2 ? unknown : token)),
  );
  expect(outcomes.map(({ status }) => status === "fulfilled")).toEqual(
    Array.from({ length: 20 }, (_, index) => index % 2 === 0),
  );
  expect(issuer.keyRequests).toBe(before + 1);
});

test("known keys stay in use during an outage, and what cannot be decided is 503 (ISSUER-1, ISSUER-3)", async () => {
  holdPerformanceClock();
  const log = startLog("info");
  const tokens = start(log);
  const known = await issuer.token([]);
  await tokens.verify(known);
  issuer.mode = "down";
  vi.advanceTimersByTime(3_600_000);
  await expect(tokens.verify(known)).resolves.toBeDefined();
  const unknown = await issuer.token([], { header: { kid: "unknown" } });
  await expect(tokens.verify(unknown)).rejects.toEqual(undecided);
  expect((await log.logged(/keys cannot be read/)).reason).toMatch(/^fetch failed: /);
  issuer.mode = "up";
  await expect(tokens.verify(unknown)).rejects.toEqual(undecided); // Asked a moment ago.
  vi.advanceTimersByTime(5000);
  await expect(tokens.verify(unknown)).rejects.toEqual(refused);
  await log.logged(/answers again/);
});

test("a key that the issuer has withdrawn is refused once its keys are read again", async () => {
  holdPerformanceClock();
  const tokens = start();
  const former = await issuer.token([]);
  await tokens.verify(former);
  await issuer.rotate({ forget: true });
  vi.advanceTimersByTime(590_000);
  await expect(tokens.verify(former)).resolves.toBeDefined();
  vi.advanceTimersByTime(20_000);
  await eventually("the key to be refused", async () => {
    const outcome = await tokens.verify(former).catch((error: unknown) => error);
    return outcome instanceof Error;
  });
});

test("without any keys nothing can be decided: the server starts, and answers when the issuer does", async () => {
  holdPerformanceClock();
  issuer.mode = "down";
  const tokens = start();
  const token = await issuer.token([]);
  await expect(tokens.verify(token)).rejects.toEqual(undecided);
  issuer.mode = "foreign"; // Its configuration is another issuer's.
  vi.advanceTimersByTime(5000);
  await expect(tokens.verify(token)).rejects.toEqual(undecided);
  issuer.mode = "up";
  vi.advanceTimersByTime(5000);
  await expect(tokens.verify(token)).resolves.toBeDefined();
});

test("keys may be at an address of their own", async () => {
  const options = { ...issuer.options, jwksUrl: new URL(`${issuer.url}/keys`) };
  const tokens = new IssuerTokens(options, startLog("silent").logger);
  await expect(tokens.verify(await issuer.token([]))).resolves.toBeDefined();
});
