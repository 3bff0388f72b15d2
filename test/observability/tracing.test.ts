import { expect, test } from "vitest";
import { AppProcess } from "../helpers/process.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestScheduler } from "../helpers/stack.ts";
import { Collector, type ReceivedSpan } from "./support/collector.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const WATCHED = "1af7651916cd43dd8448eb211c80319c";
const CONTROL = "2af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";

function start(url: URL, path: string, headers: Record<string, string>, body: object) {
  return fetch(new URL(path, url), {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
  });
}

test("a request, its orchestration and its activities are one trace, over two processes", async () => {
  const collector = await Collector.start();
  const address = await startTestScheduler();
  const env = {
    ENDPOINT: `http://${address}`,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: "x-test=yes",
  };
  const api = AppProcess.start(["api"], { ...env, OTEL_SERVICE_NAME: "front" });
  const worker = AppProcess.start(["worker"], env);
  const url = await api.url();
  await worker.printed(/worker connected/);

  const traceparent = `00-${TRACE}-${CALLER}-01`;
  const started = await start(
    url,
    "/api/start-operation",
    { traceparent, "x-request-id": "start" },
    { operation_id: "op", processing_time: 0 },
  );
  expect(started.status).toBe(202);
  const events = new URL("/api/operations/op/events", url);
  await (await SseClient.connect(events, { traceparent })).untilBye();
  await api.printed(new RegExp(`"requestId":"start".*"traceId":"${TRACE}"`));

  // A start that is followed in the same request: its span ends when the stream begins.
  const watched = await start(
    url,
    "/api/operations",
    { traceparent: traceparent.replace(TRACE, WATCHED), accept: "text/event-stream" },
    { operation_id: "watched", name: "nobody_runs_it" },
  );
  expect(watched.status).toBe(200);
  const terminated = await start(
    url,
    "/api/operations/watched/terminate",
    { traceparent: traceparent.replace(TRACE, CONTROL) },
    {},
  );
  expect(terminated.status).toBe(202);

  // What cannot be a trace is none: the request has one of its own.
  const document = await fetch(new URL("/api/operations/op", url), {
    headers: { traceparent: "00-nothing-at-all", tracestate: "x".repeat(9000) },
  });
  expect(document.status).toBe(200);
  expect((await fetch(new URL("/healthz", url), { headers: { traceparent } })).status).toBe(200);

  // Each exports what it has when it ends.
  await Promise.all([api.kill("SIGTERM"), worker.kill("SIGTERM")]);
  const trace = collector.trace(TRACE);
  const one = (name: string) => {
    const found = trace.filter((span) => span.name === name);
    expect(found).toHaveLength(1);
    return found[0] as ReceivedSpan;
  };
  const request = one("POST /api/start-operation");
  expect(request).toMatchObject({ service: "front", parentId: CALLER, kind: 2, status: 0 });
  expect(request.attributes).toEqual({
    "http.request.method": "POST",
    "http.route": "/api/start-operation",
    "http.response.status_code": 202,
    "url.scheme": "http",
    "dts_push.request_id": "start",
    "durabletask.task.instance_id": "op",
  });
  const create = one("create_orchestration:async_http_api_orchestrator");
  expect(create).toMatchObject({ service: "front", parentId: request.spanId, kind: 4 });
  const turns = trace.filter(({ name }) => name === "orchestration:async_http_api_orchestrator");
  expect(turns.length).toBeGreaterThan(0);
  for (const turn of turns) {
    expect(turn).toMatchObject({ service: "dts-push", parentId: create.spanId, kind: 2 });
  }
  const activities = trace.filter(({ name, kind }) => /^activity:/.test(name) && kind === 2);
  expect(activities.length).toBeGreaterThan(0);
  // Neither the stream nor the probe is in it.
  const names = new Set(trace.filter(({ service }) => service === "front").map(({ name }) => name));
  expect(names).toEqual(new Set([request.name, create.name]));
  const [first, ...rest] = collector.trace(WATCHED).toSorted((a, b) => a.kind - b.kind);
  expect(first).toMatchObject({ name: "POST /api/operations", parentId: CALLER });
  expect(first?.attributes).toMatchObject({ "http.response.status_code": 200 });
  expect(rest).toMatchObject([{ name: "create_orchestration:nobody_runs_it" }]);
  const [control, ...calls] = collector.trace(CONTROL).toSorted((a, b) => a.kind - b.kind);
  expect(control?.name).toBe("POST /api/operations/:id/terminate");
  expect(calls).toMatchObject([
    { name: "TaskHubSidecarService/TerminateInstance", parentId: control?.spanId, kind: 3 },
  ]);
  const known = [TRACE, WATCHED, CONTROL];
  const others = collector.spans.filter(({ traceId }) => !known.includes(traceId));
  expect(others).toMatchObject([{ name: "GET /api/operations/:id", parentId: "" }]);
  expect(new Set(collector.headers)).toEqual(new Set(["yes"]));
});

test("a collector that is away costs traces and nothing else (TRACE-1)", async () => {
  const app = AppProcess.start(["all"], {
    OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
    OTEL_EXPORTER_OTLP_TIMEOUT: "500",
  });
  const url = await app.url();
  const started = await start(url, "/api/start-operation", {}, { processing_time: 0 });
  expect(started.status).toBe(202);
  const { events_url } = (await started.json()) as { events_url: string };
  await (await SseClient.connect(new URL(events_url, url))).untilBye();
  await app.printed(/"reason":"[^"]+","msg":"traces cannot be exported"/);
  expect(await app.kill("SIGTERM")).toEqual({ code: 0, signal: null });
});
