import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import cors from "@fastify/cors";
import helmet from "@fastify/helmet";
import rateLimit from "@fastify/rate-limit";
import fastifyStatic from "@fastify/static";
import websocket from "@fastify/websocket";
import Fastify, { type FastifyInstance } from "fastify";
import { expect, test } from "vitest";
import {
  type AppCaller,
  ConfigError,
  createDtsPush,
  type DtsPushOptions,
  dtsPush,
  fastifyOptions,
} from "../../src/package/main.ts";
import { send } from "../api/support/operations.ts";
import { within } from "../helpers/deadline.ts";
import { onEnd, share } from "../helpers/lifetime.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { logger, startTestScheduler, startTestWorker } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";

/** What an application knows of its users, by their cookies or tokens. */
const USERS: Readonly<Record<string, AppCaller>> = {
  ada: {
    caller: "ada",
    grants: ["operations:start", "operations:control", "operations:read", "streams:token"],
  },
  bob: { caller: "bob", grants: ["operations:read:bob-*"] },
};
const ADA = { cookie: "user=ada" };
const BOB = { cookie: "user=bob" };

const authenticate: DtsPushOptions["authenticate"] = ({ headers }, token) =>
  USERS[token ?? /user=(\w+)/.exec(headers.cookie ?? "")?.[1] ?? ""];

const quick = { pollMinMs: 50, pollMaxMs: 500, sample: "on" } as const;
const scheduler = share(async () => {
  const address = await startTestScheduler();
  startTestWorker(address);
  return { address };
});

const options = (): DtsPushOptions => ({
  endpoint: `http://${scheduler.address}`,
  authenticate,
  ...quick,
});

/** An application with a route, an error handler and a parser of its own. */
async function startApp(prepare?: (app: FastifyInstance) => Promise<unknown>) {
  const app = Fastify(fastifyOptions);
  onEnd(() => app.close());
  await prepare?.(app);
  app.addContentTypeParser("text/csv", { parseAs: "string" }, (_request, body, done) =>
    done(null, String(body).split(",")),
  );
  app.post("/orders", async ({ body }) => body);
  await app.register(dtsPush, options());
  const url = new URL(await app.listen({ host: "127.0.0.1", port: 0 }));
  const start = async (operation_id: string, seconds: number) => {
    const body = { processing_time: seconds, operation_id };
    const response = await send(new URL("/push/api/start-operation", url), body, ADA);
    const started = await response.json();
    expect(response.status, JSON.stringify(started)).toBe(202);
    return started as { status_url: string; events_url: string };
  };
  return { app, url, start };
}

test("an application's users follow operations under its prefix, as far as it lets them", async () => {
  const { url, start } = await startApp();
  const at = (path: string) => new URL(path, url);
  const { status_url, events_url } = await start("bob-1", 1);
  expect([status_url, events_url]).toEqual([
    "/push/api/operations/bob-1",
    "/push/api/operations/bob-1/events",
  ]);
  await start("ada-1", 0);
  const stream = await SseClient.connect(at(events_url), BOB);
  expect((await stream.untilBye()).at(-2)?.data).toMatchObject({
    operation: { status: "Completed" },
  });
  expect((await fetch(at(status_url), { headers: BOB })).status).toBe(200);
  expect((await fetch(at("/push/api/operations/ada-1"), { headers: BOB })).status).toBe(404);
  expect((await fetch(at(status_url))).status).toBe(401);
  expect((await fetch(at(status_url), { headers: { authorization: "Bearer eve" } })).status).toBe(
    401,
  );
  const denied = await send(at("/push/api/operations"), { name: "order" }, BOB);
  expect(denied.status).toBe(403);
  const terminated = await send(at(`${status_url}/terminate`), {}, ADA);
  expect(terminated.status).toBe(409);
  const restarted = await send(at(`${status_url}/restart`), {}, ADA);
  expect(restarted.headers.get("location")).toBe(status_url);
});

test("a WebSocket is opened by cookie, by its first message, or with a stream token", async () => {
  const { url, start } = await startApp();
  await start("bob-2", 3600);
  const subscribe = { type: "subscribe", sub: "1", operation_id: "bob-2" };
  const byCookie = await WsClient.connect(url, "/push/api/ws", undefined, BOB);
  byCookie.send(subscribe);
  await byCookie.nextOf("snapshot");
  const byMessage = await WsClient.connect(url, "/push/api/ws");
  byMessage.send({ type: "auth", token: "bob" });
  byMessage.send(subscribe);
  await byMessage.nextOf("snapshot");
  const made = await send(
    new URL("/push/api/stream-tokens", url),
    { operation_ids: ["bob-2"] },
    ADA,
  );
  const { token } = (await made.json()) as { token: string };
  const byToken = await WsClient.connect(url, `/push/api/ws?access_token=${token}`);
  byToken.send(subscribe);
  await byToken.nextOf("snapshot");
  const byUrl = new URL(`/push/api/operations/bob-2/events?access_token=${token}`, url);
  expect((await (await SseClient.connect(byUrl)).nextState()).event).toBe("snapshot");
});

test("the documents and the page have the prefix in their addresses", async () => {
  const { app, url } = await startApp();
  const openapi = (await (await fetch(new URL("/push/openapi.json", url))).json()) as {
    paths: object;
  };
  expect(Object.keys(openapi.paths)).toContain("/push/api/operations/{id}");
  const asyncapi = (await (await fetch(new URL("/push/asyncapi.json", url))).json()) as {
    channels: { socket: { address: string } };
  };
  expect(asyncapi.channels.socket.address).toBe("/push/api/ws");
  const toPage = await app.inject("/push?theme=dark");
  expect([toPage.statusCode, toPage.headers.location]).toEqual([308, "/push/?theme=dark"]);
  for (const path of ["/push/", "/push/operations/bob-1", "/push/docs"]) {
    const { statusCode, body } = await app.inject(path);
    expect(statusCode, path).toBe(200);
    const links = [...body.matchAll(/<(?:link|script)[^>]+(?:href|src)="([^"]+)"/g)];
    expect(links.length, path).toBeGreaterThan(2);
    for (const [, link = ""] of links) {
      const { pathname } = new URL(link, new URL(path, url));
      expect(pathname, path).toMatch(/^\/push\//);
      expect((await app.inject(pathname)).statusCode, pathname).toBe(200);
    }
  }
});

test("the application's own routes stay as they are, beside the plugins it has (PLUGIN-1)", async () => {
  const { app, url, start } = await startApp(async (own) => {
    await own.register(websocket);
    await own.register(helmet, { contentSecurityPolicy: false });
    await own.register(rateLimit, { max: 1000 });
    await own.register(cors, { origin: "https://app.example" });
    await own.register(fastifyStatic, { root: import.meta.dirname, prefix: "/files/" });
    own.get("/echo", { websocket: true }, (socket) => socket.send("hello"));
  });
  const csv = { "content-type": "text/csv" };
  const own = await app.inject({ method: "POST", url: "/orders", headers: csv, payload: "a,b" });
  expect([own.statusCode, own.json()]).toEqual([200, ["a", "b"]]);
  const form = { method: "POST", url: "/orders", payload: "x", headers: csv } as const;
  expect((await app.inject({ ...form, url: "/push/api/operations" })).statusCode).toBe(401);
  const unknown = await app.inject("/nowhere");
  expect([unknown.statusCode, unknown.headers["content-type"]]).toEqual([
    404,
    "application/json; charset=utf-8",
  ]);
  const inScope = await app.inject({ url: "/push/nowhere", headers: ADA });
  expect(inScope.headers["content-type"]).toMatch(/^application\/problem\+json/);
  expect((await app.inject({ method: "PUT", url: "/orders" })).statusCode).toBe(404);
  expect((await app.inject({ method: "PUT", url: "/push/api/ws" })).statusCode).toBe(405);

  const { promise, resolve } = Promise.withResolvers<string>();
  const echo = new WebSocket(new URL("/echo", url).href.replace("http", "ws"));
  echo.addEventListener("message", ({ data }) => resolve(String(data)));
  expect(await within("the application's own WebSocket", promise)).toBe("hello");
  await start("bob-3", 3600);
  const socket = await WsClient.connect(url, "/push/api/ws", undefined, BOB);
  socket.send({ type: "subscribe", sub: "1", operation_id: "bob-3" });
  await socket.nextOf("snapshot");
});

test("streams get bye drain when the application closes (PLUGIN-2)", async () => {
  const { app, url, start } = await startApp();
  const { events_url } = await start("bob-4", 3600);
  const stream = await SseClient.connect(new URL(events_url, url), BOB);
  await stream.nextState();
  const socket = await WsClient.connect(url, "/push/api/ws", undefined, BOB);
  socket.send({ type: "subscribe", sub: "1", operation_id: "bob-4" });
  await socket.nextOf("snapshot");
  const closed = app.close();
  expect((await stream.untilBye()).at(-1)?.data).toMatchObject({ reason: "drain" });
  expect(await stream.ended()).toBe("ended");
  expect((await socket.closed()).code).toBe(1012);
  await within("the application to close", closed);
});

test("a server of node:http hands requests and handshakes over", async () => {
  const server = createServer((request, response) => {
    if (request.url?.startsWith("/push/")) app.routing(request, response);
    else response.end("its own");
  });
  const app = Fastify({ ...fastifyOptions, serverFactory: () => server });
  await app.register(dtsPush, options());
  await app.ready();
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", resolve);
  await promise;
  onEnd(async () => {
    await app.close();
    server.close();
    server.closeAllConnections();
  });
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  expect(await (await fetch(new URL("/other", url))).text()).toBe("its own");
  const body = { processing_time: 3600, operation_id: "bob-5" };
  await send(new URL("/push/api/start-operation", url), body, ADA);
  const events = new URL("/push/api/operations/bob-5/events", url);
  expect((await (await SseClient.connect(events, BOB)).nextState()).event).toBe("snapshot");
  const socket = await WsClient.connect(url, "/push/api/ws", undefined, BOB);
  socket.send({ type: "subscribe", sub: "1", operation_id: "bob-5" });
  await socket.nextOf("snapshot");
});

test("a server of its own runs in the process, with the same options", async () => {
  const push = await createDtsPush({ ...options(), port: 0, logger });
  onEnd(() => push.close());
  expect((await fetch(new URL("/readyz", push.url))).status).toBe(200);
  expect((await fetch(new URL("/api/operations", push.url))).status).toBe(401);
  expect((await fetch(new URL("/api/operations", push.url), { headers: ADA })).status).toBe(200);
  const open = createDtsPush({ host: "0.0.0.0", port: 0, logger });
  await expect(open).rejects.toThrow("ALLOW_ANONYMOUS");
});

test("options that cannot be used end the start, and say why", async () => {
  const add = (wrong: object) =>
    Fastify()
      .register(dtsPush, wrong as DtsPushOptions)
      .ready();
  await expect(add({})).rejects.toThrow("nobody may call this API");
  await expect(add({ authenticate, pollMinMs: -1 })).rejects.toThrow(ConfigError);
  await expect(add({ authenticate, schedulerDb: "x" })).rejects.toThrow('no option "schedulerDb"');
  await expect(add({ authenticate, port: 1 })).rejects.toThrow('no option "port"');
});
