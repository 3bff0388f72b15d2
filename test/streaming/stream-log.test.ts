import { expect, onTestFinished, test } from "vitest";
import type { Config } from "../../src/config.ts";
import { startApi } from "../../src/start.ts";
import { startLog } from "../dts/support/log.ts";
import { createKey, createKeyFile } from "../helpers/api-key.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { testConfig } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";

async function startLogged(overrides: Partial<Config> = {}) {
  const log = startLog("info");
  const scheduler = await ScriptedScheduler.start([instance()]);
  const { address } = scheduler;
  const target = { address, taskHub: "default", authentication: { kind: "none" } } as const;
  const config = { pollMinMs: 10, pollMaxMs: 20, heartbeatMs: 3_600_000, ...overrides };
  const api = await startApi(testConfig({ target, ...config }), log.logger);
  onTestFinished(() => api.close());
  const url = new URL(api.url.replace("localhost", "127.0.0.1"));
  return { log, scheduler, url, api, events: new URL("/api/operations/op/events", url) };
}

test("a stream is one line when it opens and one when it has closed, with counts (RECORD-1)", async () => {
  const { log, scheduler, events } = await startLogged();
  const client = await SseClient.connect(events, { "x-request-id": "sse" });
  await client.next();
  const about = {
    level: 30,
    time: expect.any(Number),
    pid: expect.any(Number),
    hostname: expect.any(String),
    requestId: "sse",
    transport: "sse",
    caller: "127.0.0.1",
    operation: "op",
  };
  expect(await log.found({ msg: "stream opened" })).toEqual({
    ...about,
    resumed: false,
    msg: "stream opened",
  });
  scheduler.set("op", instance({ status: "COMPLETED", lastUpdatedAtMs: Date.now() }));
  await client.ended();
  expect(await log.found({ msg: "stream closed" })).toEqual({
    ...about,
    reason: "terminal",
    durationMs: expect.any(Number),
    events: 3,
    bytes: expect.any(Number),
    coalesced: 0,
    msg: "stream closed",
  });
  // The bytes are those on the wire: with the head, and with the framing of chunks.
  const { bytes } = await log.found({ msg: "stream closed" });
  expect(bytes).toBeGreaterThan(client.raw.length);
  expect(log.lines.filter(({ requestId }) => requestId === "sse")).toHaveLength(2);
});

test("a WebSocket and a client that leaves (RECORD-1)", async () => {
  const { log, url } = await startLogged();
  const client = await WsClient.connect(url, "/api/ws?operation_id=op");
  await client.nextOf("snapshot");
  client.send({ type: "subscribe", sub: "s", operation_id: "op" });
  await client.nextOf("snapshot");
  const opened = await log.found({ msg: "stream opened" });
  expect(opened).toMatchObject({ transport: "ws", subscriptions: 1, caller: "127.0.0.1" });
  client.socket.terminate();
  expect(await log.found({ msg: "stream closed" })).toMatchObject({
    requestId: opened.requestId,
    transport: "ws",
    subscriptions: 2,
    reason: "client-left",
    events: 4,
  });
});

test("a stream of several operations and a feed say what they carry", async () => {
  const { log, url } = await startLogged();
  await SseClient.connect(new URL("/api/events?operation_id=op&operation_id=x", url));
  expect(await log.found({ operations: 2 })).toMatchObject({ msg: "stream opened" });
  await SseClient.connect(new URL("/api/events?prefix=o", url));
  expect(await log.found({ prefix: "o" })).toMatchObject({ msg: "stream opened" });
});

test("a client that is turned away is one line (RECORD-1)", async () => {
  const { log, url, events } = await startLogged({ maxConnections: 1 });
  const first = await SseClient.connect(events);
  await first.next();
  await (await SseClient.connect(events)).ended();
  await (await WsClient.connect(url)).closed();
  for (const transport of ["sse", "ws"]) {
    const line = await log.found({ msg: "stream closed", transport });
    expect(line).toMatchObject({ reason: "drain", events: 1 });
    expect(log.lines.filter(({ requestId }) => requestId === line.requestId)).toHaveLength(1);
  }
});

test("a WebSocket closes under the name that it authenticated with, and no line has a credential", async () => {
  const { key, line } = createKey("acme", "operations:read");
  const file = createKeyFile(line);
  onTestFinished(() => file.remove());
  const { log, url, events } = await startLogged({
    credentials: file.credentials,
  });
  const client = await WsClient.connect(url);
  client.send({ type: "auth", token: key });
  client.send({ type: "subscribe", sub: "s", operation_id: "op" });
  await client.nextOf("snapshot");
  client.socket.close();
  const closed = await log.found({ msg: "stream closed", transport: "ws" });
  expect(closed.caller).toMatch(/acme/);
  const authorization = `Bearer ${key}`;
  const stream = await SseClient.connect(events, { authorization });
  await stream.next();
  expect((await log.found({ msg: "stream opened", transport: "sse" })).caller).toBe(closed.caller);
  await (await fetch(new URL("/api/operations/op", url), { headers: { authorization } })).text();
  expect((await log.found({ msg: "request", status: 200 })).caller).toBe(closed.caller);
  expect(JSON.stringify(log.lines)).not.toContain(key);
});
