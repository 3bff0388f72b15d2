import { status } from "@grpc/grpc-js";
import type pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import { expect, test } from "vitest";
import { startBlackhole } from "../dts/support/blackhole.ts";
import { within } from "../helpers/deadline.ts";
import { FakeScheduler, failing, never } from "../helpers/scheduler/fake-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";
import { problemOf } from "./support/problem.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Sends every kind of request at once, and returns the answers. */
async function askForEverything(url: URL) {
  const [started, status, ready, healthy, sse, ws] = await Promise.all([
    start(url),
    fetch(new URL("/api/operations/x", url)),
    fetch(new URL("/readyz", url)),
    fetch(new URL("/healthz", url)),
    SseClient.connect(new URL("/api/operations/x/events", url)),
    WsClient.connect(url, "/api/ws?operation_id=x"),
  ]);
  return { started, status, ready, healthy, sse, ws };
}

function start(url: URL): Promise<Response> {
  return fetch(new URL("/api/start-operation", url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "{}",
  });
}

test("every request is answered while the scheduler's machine or process does not answer", async () => {
  const mute = await FakeScheduler.start({ getInstance: never, startInstance: never });
  const addresses = [await startBlackhole(), mute.address];
  const urls = await Promise.all(addresses.map(async (each) => (await startTestApi(each)).url));
  for (const { started, status, ready, healthy, sse, ws } of await within(
    "all answers",
    Promise.all(urls.map(askForEverything)),
  )) {
    expect(healthy.status).toBe(200);

    const problem = await problemOf(started, 503, "scheduler-unavailable");
    expect(started.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    // It may have been started: the client can request it later.
    expect(problem.operation_id).toMatch(UUID);

    for (const answer of [status, ready]) {
      await problemOf(answer, 503, "scheduler-unavailable");
      expect(answer.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
    }

    // Not a 503, which makes an EventSource give up.
    expect(sse.status).toBe(200);
    expect(await sse.nextState()).toMatchObject({
      event: "problem",
      data: { type: "problem", problem: { status: 503 } },
    });
    await ws.nextOf("subscribed");
    expect(await ws.nextOf("problem")).toMatchObject({ sub: "1", problem: { status: 503 } });
  }
});

test("a start at a scheduler that refuses connections is a 503 with the operation's id", async () => {
  const { url } = await startTestApi("127.0.0.1:1");
  const response = await start(url);
  const { operation_id } = await problemOf(response, 503, "scheduler-unavailable");
  expect(operation_id).toMatch(UUID);
});

test.for([
  [status.UNAVAILABLE, 503, "scheduler-unavailable", 5],
  [status.INTERNAL, 503, "scheduler-unavailable", 5],
  [status.RESOURCE_EXHAUSTED, 503, "scheduler-throttled", 15],
  [status.UNAUTHENTICATED, 502, "scheduler-access-denied", 60],
  [status.PERMISSION_DENIED, 502, "scheduler-access-denied", 60],
  [status.NOT_FOUND, 502, "task-hub-not-found", 60],
  [status.INVALID_ARGUMENT, 502, "scheduler-rejected", null],
  [status.UNIMPLEMENTED, 501, "scheduler-unsupported", null],
] as const)(
  "gRPC status %i is a %i %s, and the scheduler's details are not sent to clients",
  async ([code, httpStatus, slug, retryAfterS]) => {
    const answer = failing(code, "s3cret at Store.read (/srv/store.ts:1)");
    const scheduler = await FakeScheduler.start({ getInstance: answer, startInstance: answer });
    const { url } = await startTestApi(scheduler.address);
    // What a start brings, the client can change: that is its mistake, and has a test of its own.
    const started = code === status.INVALID_ARGUMENT ? [] : [await start(url)];
    for (const response of [
      ...started,
      await fetch(new URL("/api/operations/x", url)),
      await fetch(new URL("/readyz", url)),
    ]) {
      const problem = await problemOf(response, httpStatus, slug);
      expect(JSON.stringify(problem)).not.toContain("s3cret");
      const retryAfter = response.headers.get("retry-after");
      expect(retryAfter && Number(retryAfter)).toBe(retryAfterS);
    }
    const stream = await SseClient.connect(new URL("/api/operations/x/events", url));
    expect((await stream.nextState()).data.problem.type).toBe(`urn:dts-push:problem:${slug}`);
  },
);

test("a start whose first answer is lost succeeds when the retry finds the operation", async () => {
  const ids: string[] = [];
  const scheduler = await FakeScheduler.start({
    startInstance: (call, done) => {
      ids.push((call.request as pb.CreateInstanceRequest).getInstanceid());
      failing(ids.length === 1 ? status.UNAVAILABLE : status.ALREADY_EXISTS)(call as never, done);
    },
  });
  const { url } = await startTestApi(scheduler.address);
  const response = await start(url);
  expect(response.status).toBe(202);
  expect(ids).toHaveLength(2);
  const { operation_id } = (await response.json()) as { operation_id: string };
  expect(ids).toEqual([operation_id, operation_id]);
});
