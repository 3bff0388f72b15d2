import { SignJWT } from "jose";
import { expect, test } from "vitest";
import type { Grant } from "../../../src/access.ts";
import { StreamTokens } from "../../../src/api/credentials/stream-tokens.ts";

const [SECRET, OTHER] = ["a".repeat(32), "b".repeat(32)] as const;
const READ: Grant = { scope: "operations:read", prefix: "order-" };
const soonMs = () => Math.ceil(Date.now() / 1000) * 1000 + 60_000;
const refused = expect.objectContaining({ slug: "unauthenticated", status: 401 });

test("a token gives back what it was made for", async () => {
  const tokens = new StreamTokens([SECRET]);
  const expiresAtMs = soonMs();
  const content = { caller: "key:shop", grants: [READ], expiresAtMs };
  const token = await tokens.sign(content);
  expect(StreamTokens.isOne(token)).toBe(true);
  expect(await tokens.verify(token)).toMatchObject({ ...content, authentication: "stream-token" });
  const ids: Grant = { scope: "operations:read", ids: new Set(["a", "b c", "d*"]) };
  const some = await tokens.verify(await tokens.sign({ ...content, grants: [ids] }));
  expect(some.grants).toEqual([ids]);
});

test("the previous secret is accepted, another one is not, and a random one is this process's own", async () => {
  const content = { caller: "c", grants: [READ], expiresAtMs: soonMs() };
  const token = await new StreamTokens([OTHER]).sign(content);
  expect(await new StreamTokens([SECRET, OTHER]).verify(token)).toMatchObject({ caller: "c" });
  await expect(new StreamTokens([SECRET]).verify(token)).rejects.toEqual(refused);
  const own = new StreamTokens([]);
  expect(await own.verify(await own.sign(content))).toMatchObject({ caller: "c" });
  await expect(new StreamTokens([]).verify(await own.sign(content))).rejects.toEqual(refused);
});

test("a token is refused after its time", async () => {
  const tokens = new StreamTokens([SECRET]);
  const token = await tokens.sign({ caller: "c", grants: [READ], expiresAtMs: Date.now() - 1000 });
  await expect(tokens.verify(token)).rejects.toThrow("has expired");
});

test("what was signed with the secret and is no stream token is refused", async () => {
  const secret = new TextEncoder().encode(SECRET);
  const sign = (header: object, claims: object) =>
    new SignJWT({ sub: "c", exp: soonMs() / 1000, ...claims })
      .setProtectedHeader({ alg: "HS256", typ: "dts-push-stream+jwt", ...header })
      .sign(secret);
  const tokens = new StreamTokens([SECRET]);
  for (const token of [
    await sign({ typ: "JWT" }, {}),
    await sign({ alg: "HS512" }, {}),
    await sign({}, { exp: undefined }),
    await sign({}, { sub: undefined }),
  ]) {
    await expect(tokens.verify(token)).rejects.toEqual(refused);
  }
  // A right that is not reading is not one of a stream token.
  const wider = await sign({}, { scope: ["operations:read:a*", "operations:control"] });
  expect((await tokens.verify(wider)).grants).toEqual([{ scope: "operations:read", prefix: "a" }]);
});

test("anything else is not taken for one", () => {
  for (const text of ["", "x", "a.b.c", "dtspush_key", "eyJhbGciOiJIUzI1NiJ9.e30.x"]) {
    expect(StreamTokens.isOne(text), text).toBe(false);
  }
});
