import { request as httpRequest } from "node:http";
import { status } from "@grpc/grpc-js";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { startScheduler } from "../../src/scheduler/scheduler.ts";
import { startApi } from "../../src/start.ts";
import { startLog } from "../dts/support/log.ts";
import { eventually } from "../helpers/deadline.ts";
import { FakeScheduler, failing } from "../helpers/scheduler/fake-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { logger, testConfig } from "../helpers/stack.ts";
import { exchange, RawConnection } from "./support/raw-connection.ts";

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

async function startLoggedApi(address: string) {
  const log = startLog("debug");
  const target = { address, taskHub: "default", authentication: { kind: "none" } } as const;
  const api = await startApi(testConfig({ target, pollMinMs: 20, pollMaxMs: 50 }), log.logger);
  const url = new URL(api.url.replace("localhost", "127.0.0.1"));
  return {
    log,
    url,
    close: api.close,
    get: (path: string, headers: Record<string, string> = {}) =>
      fetch(new URL(path, url), { headers }),
    /** The line about the request with this id. */
    line: (requestId: string) => log.found({ requestId, msg: "request" }),
  };
}

/** All tests but those of failures share one API. */
let shared: Awaited<ReturnType<typeof startLoggedApi>>;
beforeAll(async () => {
  const scheduler = await startScheduler({ port: 0, database: ":memory:", logger });
  shared = await startLoggedApi(scheduler.address);
  afterAll(async () => {
    await shared.close();
    await scheduler.close();
  });
  await start(shared.url, "op");
});

function start(url: URL, operation_id?: string): Promise<Response> {
  return fetch(new URL("/api/start-operation", url), {
    method: "POST",
    headers: { "content-type": "application/json", "x-request-id": `start-${operation_id}` },
    body: JSON.stringify({ operation_id }),
  });
}

test("a request is one line, with its route and not its path", async () => {
  const { log, get, line } = shared;
  const response = await get("/api/operations/op");
  const id = response.headers.get("x-request-id") ?? "";
  expect(id).toMatch(UUID);
  expect(await line(id)).toEqual({
    level: 30,
    time: expect.any(Number),
    pid: expect.any(Number),
    hostname: expect.any(String),
    msg: "request",
    requestId: id,
    method: "GET",
    route: "/api/operations/:id",
    operation: "op",
    status: 200,
    durationMs: expect.any(Number),
    caller: "127.0.0.1",
  });
  expect(log.lines.filter(({ requestId }) => requestId === id)).toHaveLength(1);
});

test("the operation of a query is in the line, and so is that of a start", async () => {
  const { url, get, line } = shared;
  await get("/api/operations?operation_id=op", { "x-request-id": "by-query" });
  expect(await line("by-query")).toMatchObject({ route: "/api/operations", operation: "op" });
  const { operation_id } = (await (await start(url)).json()) as { operation_id: string };
  expect(await line("start-undefined")).toMatchObject({ status: 202, operation: operation_id });
});

test.each([
  ["a UUID", "4f0f2c0e-6a38-4be4-8b9d-8b8b1f1c8f9a", true],
  ["64 characters", "a".repeat(64), true],
  ["punctuation of the ids in use", "0A1B:req_1.2-3", true],
  ["65 characters", "a".repeat(65), false],
  ["a space", "a b", false],
  ["quotes", 'a"b', false],
  ["what could be a line break in a log", "a\\nb", false],
])("an x-request-id with %s: kept or replaced", async (_what, given, kept) => {
  const { get } = shared;
  const id = (await get("/healthz", { "x-request-id": given })).headers.get("x-request-id");
  if (kept) expect(id).toBe(given);
  else expect(id).toMatch(UUID);
});

test("two x-request-id headers count as none", async () => {
  const { url } = shared;
  const ids = "x-request-id: a\r\nx-request-id: b\r\n";
  const answer = await exchange(
    url,
    `GET /healthz HTTP/1.1\r\nhost: localhost\r\n${ids}connection: close\r\n\r\n`,
  );
  expect(answer).toMatch(/^x-request-id: [\da-f-]{36}\r$/m);
});

test("streams and handshakes repeat the x-request-id too", async () => {
  const { url } = shared;
  const sse = await SseClient.connect(new URL("/api/operations/op/events", url), {
    "x-request-id": "stream-1",
  });
  expect(sse.response.headers["x-request-id"]).toBe("stream-1");
  const handshake = await RawConnection.open(url);
  handshake.send(
    "GET /api/ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n" +
      "sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\nx-request-id: ws-1\r\n\r\n",
  );
  expect(await handshake.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 101 .*^x-request-id: ws-1\r$/ms);
});

test("probes and scrapes are logged at debug only", async () => {
  const { log, get } = shared;
  for (const path of ["/healthz", "/readyz", "/metrics"]) await (await get(path)).text();
  for (const route of ["/healthz", "/readyz", "/metrics"]) {
    expect(await log.found({ msg: "request", route })).toMatchObject({ level: 20, status: 200 });
  }
});

test("neither an unknown path nor one that cannot be decoded is in the line", async () => {
  const { get, line } = shared;
  await get("/no/s3cret/path", { "x-request-id": "unknown" });
  const unknown = await line("unknown");
  expect(unknown).toMatchObject({ status: 404, problem: "not-found" });
  await get("/api/operations/%zz", { "x-request-id": "undecodable" });
  const undecodable = await line("undecodable");
  expect(undecodable).toMatchObject({ status: 400, problem: "invalid-url" });
  for (const each of [unknown, undecodable]) {
    expect(each).not.toHaveProperty("route");
    expect(JSON.stringify(each)).not.toMatch(/s3cret|%zz/);
  }
});

test("a client that leaves before its answer is logged as that", async () => {
  const { url, log, get } = shared;
  const tag = (await get("/api/operations/op")).headers.get("etag") ?? "";
  const request = httpRequest(new URL("/api/operations/op", url), {
    headers: { "if-none-match": tag, prefer: "wait=30", "x-request-id": "left" },
  });
  request.on("error", () => undefined).end();
  const connections = async () => (await get("/metrics")).text();
  await eventually("the wait to begin", async () =>
    /^dts_push_connections\{transport="poll"\} 1$/m.test(await connections()),
  );
  request.destroy();
  const line = await log.found({ requestId: "left", msg: "request" });
  expect(line).toMatchObject({ abandoned: true, operation: "op" });
  expect(line).not.toHaveProperty("status");
});

test("a 503 is one line that names the problem, without a stack and not as an error", async () => {
  const { log, get, line, close } = await startLoggedApi("127.0.0.1:1");
  onTestFinished(() => close());
  const response = await get("/readyz", { "x-request-id": "probe" });
  expect(response.status).toBe(503);
  const refused = await line("probe");
  expect(refused).toMatchObject({ level: 40, status: 503, problem: "scheduler-unavailable" });
  expect(refused.reason).toMatch(/^GetInstance: /);
  expect(JSON.stringify(refused)).not.toMatch(/\bat \S+ \(|"stack"/);
  expect(log.lines.filter(({ level }) => level >= 50)).toEqual([]);
});

test("refused credentials are logged as that, and not as an outage", async () => {
  const { address } = await FakeScheduler.start({ getInstance: failing(status.PERMISSION_DENIED) });
  const { log, get, close } = await startLoggedApi(address);
  onTestFinished(() => close());
  expect((await get("/api/operations/x")).status).toBe(502);
  const line = await log.logged(/^reads: the scheduler/);
  expect(line.msg).toBe("reads: the scheduler does not accept the credentials");
  expect(log.lines.filter(({ msg }) => /does not answer/.test(msg))).toEqual([]);
});
