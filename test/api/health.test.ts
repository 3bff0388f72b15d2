import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";
import { problemOf } from "./support/problem.ts";

async function startApi() {
  const scheduler = await ScriptedScheduler.start([instance()]);
  const { url } = await startTestApi(scheduler.address, { pollMinMs: 20, pollMaxMs: 100 });
  return { scheduler, url, get: (path: string) => fetch(new URL(path, url)) };
}

test("ready while the scheduler answers, 503 with Retry-After as soon as it does not, and ready again", async () => {
  const { scheduler, get } = await startApi();
  expect(await (await get("/readyz")).json()).toEqual({ status: "ready" });

  scheduler.fault = { kind: "error", code: status.UNAVAILABLE };
  const refused = await eventually("the probe to notice", async () => {
    const response = await get("/readyz");
    return response.status !== 200 && response;
  });
  expect(refused.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
  await problemOf(refused, 503, "scheduler-unavailable");
  expect(await (await get("/healthz")).json()).toEqual({ status: "ok" });

  scheduler.fault = { kind: "none" };
  await eventually("the probe to recover", async () => (await get("/readyz")).status === 200);
});

test("not ready while nothing listens at the scheduler's address, and healthy", async () => {
  const { url } = await startTestApi("127.0.0.1:1");
  const response = await fetch(new URL("/readyz", url));
  await problemOf(response, 503, "scheduler-unavailable");
  expect((await fetch(new URL("/healthz", url))).status).toBe(200);
});

test("many probes in one second cause one read", async () => {
  const { scheduler, get } = await startApi();
  const beganMs = performance.now();
  const answers = await Promise.all(Array.from({ length: 50 }, () => get("/readyz")));
  expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]));
  const seconds = (performance.now() - beganMs) / 1000; // more than one on a busy machine
  const reads = scheduler.countOf("getInstance");
  expect(reads).toBeGreaterThan(0);
  expect(reads).toBeLessThanOrEqual(1 + Math.floor(seconds));
});

test("metrics are Prometheus text with the documented names", async () => {
  const { get } = await startApi();
  const response = await get("/metrics");
  expect(response.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  const names = [...(await response.text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  );
  expect(names).toEqual(
    expect.arrayContaining([
      "dts_push_connections gauge",
      "dts_push_subscriptions gauge",
      "dts_push_watched_operations gauge",
      "dts_push_reads_total counter",
      "dts_push_read_duration_seconds histogram",
      "dts_push_delivery_lag_seconds histogram",
      "dts_push_events_total counter",
      "dts_push_coalesced_total counter",
      "dts_push_resumes_total counter",
      "dts_push_disconnects_total counter",
    ]),
  );
});

test("metrics count streams, reads and events, and closed streams no more", async () => {
  const { scheduler, url, get } = await startApi();
  const sse = await SseClient.connect(new URL("/api/operations/op/events", url));
  const ws = await WsClient.connect(url, "/api/ws?operation_id=op");
  await sse.next();
  await ws.nextOf("snapshot");
  scheduler.set("op", instance({ customStatus: "1", lastUpdatedAtMs: Date.now() }));
  await sse.next("an update");

  const metrics = async () => (await get("/metrics")).text();
  const during = await metrics();
  for (const line of [
    /^dts_push_connections\{transport="sse"\} 1$/m,
    /^dts_push_connections\{transport="ws"\} 1$/m,
    /^dts_push_subscriptions 2$/m,
    /^dts_push_watched_operations 1$/m,
    /^dts_push_reads_total\{rpc="GetInstance",result="found"\} [1-9]/m,
    /^dts_push_events_total\{type="snapshot",transport="sse"\} 1$/m,
    /^dts_push_events_total\{type="update",transport="sse"\} 1$/m,
    /^dts_push_delivery_lag_seconds_count [1-9]/m,
  ]) {
    expect(during).toMatch(line);
  }
  sse.destroy();
  ws.socket.close();
  await eventually("the streams to be counted down", async () => {
    const text = await metrics();
    return /^dts_push_subscriptions 0$/m.test(text) && !/_connections\{.*\} 1$/m.test(text);
  });
});
