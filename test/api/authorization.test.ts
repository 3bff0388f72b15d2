import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { SCOPES } from "../../src/access.ts";
import { createKey, createKeyFile } from "../helpers/api-key.ts";
import { buildIdleApp } from "../helpers/contract/documents.ts";
import { within } from "../helpers/deadline.ts";
import { OidcIssuer } from "../helpers/oidc-issuer.ts";
import { problemOf } from "./support/problem.ts";
import { useSharedStack } from "./support/shared-stack.ts";

/* Every route × every kind of caller, from the table of routes that the server itself declares. */

const narrowedTo = (prefix: string) =>
  SCOPES.map((scope) => (scope.startsWith("operations:") ? `${scope}:${prefix}*` : scope));

const [right, narrow, other] = [
  createKey("right", ...SCOPES),
  createKey("narrow", ...narrowedTo("order-")),
  createKey("other", ...narrowedTo("other-")),
];
/** By scope: a key with all scopes but this one. */
const without = new Map(
  SCOPES.map((scope) => [scope as string, createKey(scope, ...SCOPES.filter((s) => s !== scope))]),
);
const file = createKeyFile(...[right, narrow, other, ...without.values()].map(({ line }) => line));
let issuer: OidcIssuer;
const stack = useSharedStack({
  config: async () => {
    issuer = await OidcIssuer.start();
    return {
      corsOrigins: ["https://app.example"],
      maxAuthFailuresPerMinute: 0,
      credentials: {
        apiKeysFile: file.path,
        issuer: issuer.options,
        streamTokenSecrets: ["s".repeat(32)],
      },
    };
  },
});
/** A route as the server declares it. */
interface DeclaredRoute {
  readonly method: string;
  readonly url: string;
  readonly scope: string;
  readonly stream: "sse" | "websocket" | undefined;
}
let routes: DeclaredRoute[];
beforeAll(async () => {
  const app = await buildIdleApp();
  routes = app.routeTable.flatMap(({ method, url, config }) =>
    [method].flat().map((each) => ({
      method: each,
      url,
      scope: config?.scope ?? "",
      stream: config?.stream,
    })),
  );
  await app.close();
});
afterAll(() => {
  issuer.close();
  file.remove();
});

/** Queries of routes whose operation is not in the path. */
const QUERIES: Readonly<Record<string, (id: string) => string>> = {
  "/api/operations": (id) => `?operation_id=${id}`,
  "/api/history": (id) => `?operation_id=${id}`,
  "/api/events": (id) => `?operation_id=${id}`,
  ...Object.fromEntries(
    ["terminate", "suspend", "resume", "rewind", "restart"].map((verb) => [
      `/api/${verb}`,
      (id) => `?operation_id=${id}`,
    ]),
  ),
};
const BODIES: Readonly<Record<string, (id: string) => object>> = {
  "/api/start-operation": (id) => ({ operation_id: id, processing_time: 0 }),
};
/** What a caller for other operations gets from routes that are not about one operation. */
const FOR_OTHERS: Readonly<Record<string, number>> = {
  "POST /api/start-operation": 403,
  "GET /metrics": 403,
  "GET /api/caller": 200,
  "POST /api/stream-tokens": 201,
};

const nameOf = ({ method, url }: DeclaredRoute) => `${method} ${url}`;
const bearer = (credential: string) => ({ authorization: `Bearer ${credential}` });

/** Calls a route about operation `id`. A stream is left when its head has come. */
async function call(
  { method, url }: DeclaredRoute,
  id: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  const path = url.replace(":id", id).replace(/:\w+/g, "x") + (QUERIES[url]?.(id) ?? "");
  const body = method === "POST" ? JSON.stringify(BODIES[url]?.(id) ?? {}) : null;
  const type = body === null ? {} : { "content-type": "application/json" };
  return fetch(new URL(path, stack.url), { method, body, headers: { ...type, ...headers } });
}

async function statusOf(...request: Parameters<typeof call>): Promise<number> {
  const response = await call(...request);
  await response.body?.cancel();
  return response.status;
}

/** The status of a handshake. */
async function handshake(query = "", headers: Record<string, string> = {}): Promise<number> {
  const url = new URL(`/api/ws${query}`, stack.url);
  const socket = new WebSocket(url, ["dts-push.v1"], { headers });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  socket.on("open", () => resolve(101));
  socket.on("unexpected-response", (_request, response) => resolve(response.statusCode ?? 0));
  socket.on("error", reject);
  promise.finally(() => socket.terminate()).catch(() => undefined);
  return within("an answer to the handshake", promise);
}

const needing = (scope: (route: DeclaredRoute) => boolean) =>
  routes.filter((route) => route.stream !== "websocket" && scope(route));
const guarded = () => needing(({ scope }) => scope !== "public");

test("the table has every route, and only these need nothing", () => {
  expect(routes.length).toBeGreaterThan(15);
  const open = needing(({ scope }) => scope === "public").map(nameOf);
  const files = /^(?:GET|HEAD) \/(?:[\w-]+\.\w+)?$/;
  expect(open.filter((name) => !files.test(name)).sort()).toEqual(
    expect.arrayContaining(["GET /api/sample", "GET /healthz", "GET /readyz"]),
  );
  expect(guarded().map(nameOf)).toEqual(
    expect.arrayContaining(["GET /api/events", "POST /api/start-operation", "GET /metrics"]),
  );
});

test("without a credential, or with one that is not valid, every route is 401", async () => {
  const expired = await issuer.token(SCOPES, { expiresInS: -1 });
  const forged = await issuer.token(SCOPES, { forged: true });
  for (const route of guarded()) {
    for (const [headers, challenge] of [
      [{}, 'Bearer realm="dts-push"'],
      [
        bearer("unknown"),
        /^Bearer realm="dts-push", error="invalid_token", error_description="[^"]+"$/,
      ],
      [bearer(expired), /has expired/],
      [bearer(forged), /signature/],
      [{ authorization: `Basic ${right.key}` }, /must be: Bearer/],
      [{ authorization: "Bearer" }, /must be: Bearer/],
    ] as [Record<string, string>, string | RegExp][]) {
      const response = await call(route, "order-1", headers);
      const what = `${nameOf(route)} ${JSON.stringify(headers)}`;
      expect(response.headers.get("www-authenticate") ?? "", what).toMatch(challenge);
      if (route.method === "HEAD") expect(response.status, what).toBe(401);
      else await problemOf(response, 401, "unauthenticated", what);
    }
  }
});

test("with a credential that lacks a route's scope it is 403, and names the scope", async () => {
  for (const route of needing(({ scope }) => without.has(scope))) {
    const response = await call(route, "order-1", bearer(without.get(route.scope)?.key ?? ""));
    const what = nameOf(route);
    expect(response.headers.get("www-authenticate"), what).toBe(
      `Bearer error="insufficient_scope", scope="${route.scope}"`,
    );
    if (route.method === "HEAD") expect(response.status, what).toBe(403);
    else {
      const problem = await problemOf(response, 403, "forbidden", what);
      expect(problem.scope).toBe(route.scope);
    }
  }
});

test("with the right key or token, for all operations or for these, every route answers", async () => {
  await stack.client.scheduleNewOrchestration("unserved", undefined, "order-1");
  const token = await issuer.token(SCOPES);
  for (const route of guarded()) {
    for (const [kind, credential] of Object.entries({
      right: right.key,
      token,
      narrow: narrow.key,
    })) {
      if (kind === "narrow" && nameOf(route).endsWith(" /metrics")) continue;
      const status = await statusOf(route, `order-${kind}`, bearer(credential));
      const what = `${nameOf(route)} ${kind}`;
      expect(status, what).not.toBe(401);
      expect(status, what).not.toBe(403);
      expect(status, what).toBeLessThan(500);
    }
  }
});

test("an operation outside what a caller may read answers exactly as an unknown one (ACCESS-3)", async () => {
  await stack.client.scheduleNewOrchestration("unserved", undefined, "order-two");
  for (const route of needing(({ scope }) => scope === "operations:read")) {
    const { url } = route;
    if (!url.includes(":id") && !QUERIES[url]) continue;
    const hidden = await call(route, "order-two", bearer(other.key));
    const unknown = await call(route, "unknown", bearer(right.key));
    const what = nameOf(route);
    expect(hidden.status, what).toBe(unknown.status);
    const bodies = [await hidden.text(), await unknown.text()].map(withoutNumbers);
    expect(bodies[0]?.replaceAll("order-two", "unknown"), what).toBe(bodies[1]);
    const names = [hidden, unknown].map(({ headers }) => [...headers.keys()].sort());
    expect(names[0], what).toEqual(names[1]);
  }
});

test("what is not about one operation answers as far as the caller's permissions go", async () => {
  for (const route of guarded()) {
    const expected = FOR_OTHERS[nameOf(route)];
    if (expected === undefined) continue;
    expect(await statusOf(route, "order-3", bearer(other.key)), nameOf(route)).toBe(expected);
  }
  for (const [prefix, status] of [
    ["", 403],
    ["?prefix=order-", 403],
    ["?prefix=other-", 200],
  ]) {
    const url = new URL(`/api/events${prefix}`, stack.url);
    const response = await fetch(url, { headers: bearer(other.key) });
    await response.body?.cancel();
    expect(response.status, String(prefix)).toBe(status);
  }
});

test("a preflight of a trusted origin needs no credential, and its page can read a refusal", async () => {
  const url = new URL("/api/operations/order-1", stack.url);
  const origin = "https://app.example";
  const preflight = await fetch(url, {
    method: "OPTIONS",
    headers: {
      origin,
      "access-control-request-method": "GET",
      "access-control-request-headers": "authorization",
    },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get("access-control-allow-headers")).toMatch(/authorization/i);
  const refused = await fetch(url, { headers: { origin } });
  expect(refused.status).toBe(401);
  expect(refused.headers.get("access-control-allow-origin")).toBe(origin);
});

test("a WebSocket may open without a credential, for its first message has it, but not with a wrong one", async () => {
  const expired = await issuer.token(SCOPES, { expiresInS: -1 });
  for (const [status, query, headers] of [
    [101, "", {}],
    [101, "", bearer(right.key)],
    [101, "?operation_id=order-1", bearer(other.key)],
    [401, "", bearer("unknown")],
    [401, "", bearer(expired)],
    [401, "?access_token=unknown", {}],
    [401, `?access_token=${right.key}`, {}],
    [400, "?access_token=x", bearer(right.key)],
    [403, "", bearer(without.get("operations:read")?.key ?? "")],
  ] as [number, string, Record<string, string>][]) {
    expect(await handshake(query, headers), `${query} ${JSON.stringify(headers)}`).toBe(status);
  }
});

test("a stream token is accepted in the URL of streams, and nowhere else there", async () => {
  const made = await fetch(new URL("/api/stream-tokens", stack.url), {
    method: "POST",
    headers: { ...bearer(right.key), "content-type": "application/json" },
    body: JSON.stringify({ prefix: "order-" }),
  });
  const { token } = (await made.json()) as { token: string };
  const get = async (path: string, headers: Record<string, string> = {}) => {
    const response = await fetch(new URL(path, stack.url), { headers });
    await response.body?.cancel();
    return response.status;
  };
  await stack.client.scheduleNewOrchestration("unserved", undefined, "order-4");
  for (const path of ["/api/operations/order-4/events", "/api/events?prefix=order-4"]) {
    const joint = path.includes("?") ? "&" : "?";
    expect(await get(`${path}${joint}access_token=${token}`), path).toBe(200);
    expect(await get(`${path}${joint}access_token=${right.key}`), path).toBe(401);
    expect(await get(`${path}${joint}access_token=${token}`, bearer(right.key)), path).toBe(400);
  }
  expect(await handshake(`?access_token=${token}`)).toBe(101);
  for (const path of ["/api/operations/order-4", "/metrics", "/api/caller"]) {
    expect(await get(`${path}?access_token=${token}`), path).toBe(401);
  }
  // In the header it is a credential as any other, for reading what it is for.
  expect(await get("/api/operations/order-4", bearer(token))).toBe(200);
  expect(await get("/api/operations/mine-1", bearer(token))).toBe(404);
  expect(await get("/api/events", bearer(token))).toBe(403);
  const start = routes.find((route) => nameOf(route) === "POST /api/stream-tokens");
  expect(await statusOf(start as DeclaredRoute, "", bearer(token))).toBe(403);
});

/** Without what differs between two answers of the same kind: times to reconnect, and positions. */
function withoutNumbers(text: string): string {
  return text.replaceAll(/^id: .*$/gm, "id").replaceAll(/\d+/g, "0");
}
