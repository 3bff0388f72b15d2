import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { exchange } from "../api/support/raw-connection.ts";
import { eventually } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";

async function startScripted() {
  const scheduler = await ScriptedScheduler.start([instance()]);
  const { url } = await startTestApi(scheduler.address, { pollMinMs: 20, pollMaxMs: 50 });
  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(new URL(path, url), { headers });
  /** The value of a sample, as `name{labels}`; 0 where there is none. */
  const value = async (sample: string) => {
    const lines = (await (await get("/metrics")).text()).split("\n");
    return Number(lines.find((line) => line.startsWith(`${sample} `))?.split(" ")[1] ?? 0);
  };
  const counted = (labels: string) =>
    eventually(`a request of ${labels}`, () =>
      value(`dts_push_http_request_duration_seconds_count{${labels}}`),
    );
  return { scheduler, url, get, value, counted };
}

test("requests count by route, method and class of the status", async () => {
  const { url, get, counted } = await startScripted();
  await get("/api/operations/op");
  await get("/api/operations/op");
  expect(
    await counted('route="/api/operations/:id",method="GET",status="2xx",waited="false"'),
  ).toBe(2);
  await get("/api/operations/unknown");
  await counted('route="/api/operations/:id",method="GET",status="4xx",waited="false"');
  await get("/no/such/path");
  await counted('route="none",method="GET",status="4xx",waited="false"');
  await exchange(
    url,
    "PROPFIND /api/operations/op HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
  );
  await counted('route="/api/operations/:id",method="other",status="4xx",waited="false"');
});

test("a request that waits counts as that, and a stream not at all", async () => {
  const { scheduler, url, get, value, counted } = await startScripted();
  const tag = (await get("/api/operations/op")).headers.get("etag") ?? "";
  const waiting = get("/api/operations/op", { "if-none-match": tag, prefer: "wait=30" });
  await eventually("the wait", () => value('dts_push_connections{transport="poll"}'));
  scheduler.set("op", { status: "COMPLETED" });
  expect((await waiting).status).toBe(200);
  await counted('route="/api/operations/:id",method="GET",status="2xx",waited="true"');
  const stream = await SseClient.connect(new URL("/api/operations/op/events", url));
  await stream.untilBye();
  await eventually("its end", () => value('dts_push_disconnects_total{reason="terminal"}'));
  const text = await (await get("/metrics")).text();
  expect(text).not.toMatch(/_duration_seconds_count\{route="\/api\/operations\/:id\/events"/);
});

test("calls to the scheduler count by RPC and outcome", async () => {
  const { scheduler, get, value } = await startScripted();
  const calls = (labels: string) =>
    eventually(`a call of ${labels}`, () =>
      value(`dts_push_scheduler_call_duration_seconds_count{${labels}}`),
    );
  await get("/api/operations/op");
  await calls('rpc="GetInstance",outcome="ok"');
  scheduler.fault = { kind: "error", code: status.RESOURCE_EXHAUSTED };
  await get("/api/operations/op");
  await calls('rpc="GetInstance",outcome="throttled"');
});

test("limits and the process are measured when they are asked for", async () => {
  const { value } = await startScripted();
  expect(await value("dts_push_connections_limit")).toBeGreaterThan(0);
  expect(await value("dts_push_read_budget_per_second")).toBe(500);
  expect(await value("process_resident_memory_bytes")).toBeGreaterThan(1e6);
  const startedS = await value("process_start_time_seconds");
  expect(Math.abs(Date.now() / 1000 - startedS)).toBeLessThan(3600);
  const cpuS = await value("process_cpu_seconds_total");
  expect(cpuS).toBeGreaterThan(0);
  const busyS = await value("dts_push_event_loop_active_seconds_total");
  for (let i = 0; i < 1e7; i += 1) Math.sqrt(i);
  expect(await value("process_cpu_seconds_total")).toBeGreaterThan(cpuS);
  expect(await value("dts_push_event_loop_active_seconds_total")).toBeGreaterThan(busyS);
});
