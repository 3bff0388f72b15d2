import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";
import { problemOf } from "./support/problem.ts";

const ORIGIN = "https://app.example";

test("an overloaded process refuses requests and new streams, and what is open goes on (PRESSURE-1, PRESSURE-2)", async () => {
  const scheduler = await ScriptedScheduler.start([instance()]);
  const { url } = await startTestApi(scheduler.address, {
    maxHeapPercent: 1, // any process uses more than 1 % of what it may have
    heartbeatMs: 200,
    corsOrigins: [ORIGIN],
  });
  const get = (path: string, init: RequestInit = {}) =>
    fetch(new URL(path, url), { headers: { origin: ORIGIN }, ...init });
  const connect = (path: string) => SseClient.connect(new URL(path, url));

  const open = await connect("/api/operations/op/events");
  expect((await open.next()).event).toBe("snapshot");
  await eventually("the first measurement", async () => (await get("/")).status === 503);

  for (const path of ["/api/operations/op", "/api/operations/op/history", "/", "/nope"]) {
    const response = await get(path);
    expect(response.headers.get("retry-after"), path).toBe("5");
    expect(response.headers.get("access-control-allow-origin"), path).toBe(ORIGIN);
    await problemOf(response, 503, "overloaded", path);
  }
  const start = { method: "POST", body: "{}", headers: { "content-type": "application/json" } };
  await problemOf(await get("/api/start-operation", start), 503, "overloaded");
  const headers = { origin: ORIGIN, "access-control-request-method": "POST" };
  const preflight = await get("/api/start-operation", { method: "OPTIONS", headers });
  expect(preflight.status).toBe(204);
  for (const path of ["/healthz", "/metrics"]) expect((await get(path)).status, path).toBe(200);
  expect((await get("/readyz")).status).not.toBe(503);

  for (const path of ["/api/operations/op/events", "/api/events", "/api/events?operation_id=op"]) {
    const stream = await connect(path);
    expect(stream.status, path).toBe(200);
    expect((await stream.next()).data, path).toMatchObject({ type: "bye", reason: "drain" });
  }
  const socket = await WsClient.connect(url, "/api/ws?operation_id=op");
  expect(await socket.next()).toMatchObject({ type: "bye", reason: "drain" });
  expect((await socket.closed()).code).toBe(1013);
  expect((await open.next("an event of the open stream")).event).toBe("heartbeat");
});

test("an event loop that is late on average is an overload", async () => {
  const scheduler = await ScriptedScheduler.start([instance()]);
  const limits = { maxHeapPercent: 0, maxEventLoopDelayMs: 200 };
  const { url } = await startTestApi(scheduler.address, limits);
  const status = async () => (await fetch(new URL("/api/operations/op", url))).status;
  expect(await status()).toBe(200);
  const busy = setInterval(() => {
    const endMs = performance.now() + 400;
    while (performance.now() < endMs);
  }, 1);
  onTestFinished(() => clearInterval(busy));
  await eventually("an overload", async () => (await status()) === 503);
});

test("limits of 0 are none", async () => {
  const scheduler = await ScriptedScheduler.start([instance()]);
  const limits = { maxHeapPercent: 0, maxEventLoopDelayMs: 0 };
  const { url } = await startTestApi(scheduler.address, limits);
  expect((await fetch(new URL("/api/operations/op", url))).status).toBe(200);
  const stream = await SseClient.connect(new URL("/api/operations/op/events", url));
  expect((await stream.next()).event).toBe("snapshot");
});
