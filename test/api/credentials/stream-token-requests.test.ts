import { afterAll, expect, test } from "vitest";
import { createKey, createKeyFile } from "../../helpers/api-key.ts";
import { OidcIssuer } from "../../helpers/oidc-issuer.ts";
import { problemOf } from "../support/problem.ts";
import { useSharedStack } from "../support/shared-stack.ts";

const maker = createKey("maker", "streams:token", "operations:read:order-*", "operations:control");
const blind = createKey("blind", "streams:token", "operations:control");
const file = createKeyFile(maker.line, blind.line);
let issuer: OidcIssuer;
const stack = useSharedStack({
  config: async () => {
    issuer = await OidcIssuer.start();
    const credentials = { apiKeysFile: file.path, issuer: issuer.options, streamTokenSecrets: [] };
    return { credentials };
  },
});
afterAll(() => {
  issuer.close();
  file.remove();
});

function make(body: unknown, credential = maker.key): Promise<Response> {
  return fetch(new URL("/api/stream-tokens", stack.url), {
    method: "POST",
    headers: { authorization: `Bearer ${credential}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

/** What `/api/caller` says of a token that was made so. */
async function callerOf(body: unknown, credential?: string) {
  const response = await make(body, credential);
  expect(response.status).toBe(201);
  expect(response.headers.get("cache-control")).toBe("no-store");
  const { token, expires_at } = (await response.json()) as Record<string, string>;
  const headers = { authorization: `Bearer ${token}` };
  const caller = await fetch(new URL("/api/caller", stack.url), { headers });
  const answer = (await caller.json()) as Record<string, unknown>;
  expect(answer.expires_at).toBe(expires_at);
  return answer;
}

test("a token permits to read what it was made for, and nothing else (STREAM-TOKEN-1)", async () => {
  const common = { caller: "key:maker", authentication: "stream-token" };
  expect(await callerOf({})).toMatchObject({ ...common, scopes: ["operations:read:order-*"] });
  expect(await callerOf({ prefix: "order-1" })).toMatchObject({
    ...common,
    scopes: ["operations:read:order-1*"],
  });
  expect(await callerOf({ operation_ids: ["order-1", "order-2", "order-1"] })).toMatchObject({
    ...common,
    scopes: ["operations:read"],
    operation_ids: ["order-1", "order-2"],
  });
});

test("a token for more than its maker may read is forbidden (STREAM-TOKEN-1)", async () => {
  for (const body of [
    { prefix: "" },
    { prefix: "order" },
    { prefix: "ship-" },
    { operation_ids: ["order-1", "ship-1"] },
  ]) {
    await problemOf(await make(body), 403, "forbidden", JSON.stringify(body));
  }
  await problemOf(await make({}, blind.key), 403, "forbidden");
  await problemOf(await make({ operation_ids: ["x"] }, blind.key), 403, "forbidden");
});

test("a token lasts for its time, 5 min by default, and never longer than its maker's credential", async () => {
  const lifetimeS = async (body: unknown, credential?: string) => {
    const { expires_at } = await callerOf(body, credential);
    return (new Date(String(expires_at)).getTime() - Date.now()) / 1000;
  };
  for (const [body, ttlS] of [
    [{}, 300],
    [{ ttl_s: 900 }, 900],
    [{ ttl_s: 60 }, 60],
  ] as const) {
    const lastsS = await lifetimeS(body);
    expect(lastsS).toBeLessThanOrEqual(ttlS);
    expect(lastsS).toBeGreaterThan(ttlS - 45);
  }
  const scopes = ["streams:token", "operations:read"];
  const brief = await issuer.token(scopes, { expiresInS: 120 });
  expect(await lifetimeS({ ttl_s: 900 }, brief)).toBeLessThanOrEqual(120);
});

test("a request that is not one is refused, and a misspelt member is not overlooked", async () => {
  for (const body of [
    { ttl_s: 0 },
    { ttl_s: 901 },
    { ttl_s: "60" },
    { operation_ids: [] },
    { operation_ids: "order-1" },
    { operation_ids: Array.from({ length: 201 }, (_, index) => `order-${index}`) },
    { operation_ids: ["order-1"], prefix: "order-" },
    { operation_id: "order-1" },
    { prefix: "@order" },
    [],
  ]) {
    await problemOf(await make(body), 400, "invalid-body", JSON.stringify(body).slice(0, 60));
  }
  await problemOf(await make({ operation_ids: ["@order"] }), 400, "invalid-operation-id");
  await problemOf(await make({ operation_ids: ["x".repeat(40_000)] }), 413, "body-too-large");
});
