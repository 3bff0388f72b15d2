import { expect, test } from "vitest";
import { within } from "../helpers/deadline.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { useForeignWorker } from "./support/foreign-worker.ts";
import { client, type Started, send } from "./support/operations.ts";
import { problemOf } from "./support/problem.ts";
import { useSharedStack } from "./support/shared-stack.ts";

/* Starting orchestrations of a worker that knows nothing of this API. */

const stack = useSharedStack();
useForeignWorker(stack);
const api = () => client(stack);

const MEGABYTE = 1024 * 1024;
const EVENT_STREAM = { accept: "text/event-stream" };

async function storedInput(id: string): Promise<string | undefined> {
  return (await stack.client.getOrchestrationState(id, true))?.serializedInput;
}

test("starts any orchestration under a generated id, answered like the sample's start", async () => {
  const response = await api().start({ name: "echo", input: { a: [1, null, "é"] } });
  expect(response.status).toBe(202);
  const body = (await response.json()) as Started;
  expect(body).toEqual({
    operation_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    status_url: `/api/operations/${body.operation_id}`,
    events_url: `/api/operations/${body.operation_id}/events`,
  });
  expect(response.headers.get("location")).toBe(body.status_url);
  expect(response.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
  const document = await api().reaches(body.operation_id, "Completed");
  expect(document).toMatchObject({ name: "echo", result: { a: [1, null, "é"] } });
});

test("stores id, version, tags and date as they are given", async () => {
  const operation_id = "order/17 %2F";
  const startAt = new Date(Date.now() + 3_600_000);
  const tags = { team: "blue", __proto: "x", ключ: "é" };
  const start_at = startAt.toISOString().replace("Z", "+00:00");
  const body = { name: "echo", operation_id, version: "2.1", tags, start_at };
  const response = await api().start(body);
  expect(response.status).toBe(202);
  expect(((await response.json()) as Started).status_url).toBe(
    "/api/operations?operation_id=order%2F17%20%252F",
  );
  expect(await api().read(operation_id)).toMatchObject({
    status: "PENDING",
    version: "2.1",
    tags,
    scheduled_at: startAt.toISOString(),
  });
  const problem = await problemOf(await api().start(body), 409, "operation-exists");
  expect(problem.operation_id).toBe(operation_id);
});

test("a date that has passed starts it at once", async () => {
  for (const start_at of ["2020-01-01T00:00:00Z", "0000-01-01T00:00:00Z"]) {
    await api().reaches(await api().started({ name: "echo", start_at }), "Completed");
  }
});

test("the input is stored digit for digit, and none is none", async () => {
  const input = '{ "n":[1.0,-0,1e400,12345678901234567890], "__proto__": {"a":"\\u00e9"} }';
  const response = await api().start(`{"input":1,"name":"wait","input":${input}}`);
  const { operation_id } = (await response.json()) as Started;
  expect(await storedInput(operation_id)).toBe(input);
  expect(await storedInput(await api().started({ name: "wait" }))).toBeUndefined();
  expect(await storedInput(await api().started({ name: "wait", input: null }))).toBe("null");
});

test("an input of 1 MB is accepted, and one byte more is 413", async () => {
  const largest = JSON.stringify("x".repeat(MEGABYTE - 2));
  const accepted = await api().start(`{"name":"wait","input":${largest}}`);
  const { operation_id } = (await accepted.json()) as Started;
  expect((await storedInput(operation_id))?.length).toBe(MEGABYTE);
  const padding = " ".repeat(100_000);
  for (const body of [
    `{"name":"wait","input":${largest.slice(1).padStart(MEGABYTE + 1, '"x')}}`,
    `{"name":"wait",${padding}"input":${largest}}`,
  ]) {
    await problemOf(await api().start(body), 413, "body-too-large");
  }
});

test("anything but a start is 400, and the detail names what is wrong", async () => {
  for (const [body, named] of [
    [undefined, "body"],
    ["", "body"],
    ["null", "body"],
    ["[]", "body"],
    ['"echo"', "body"],
    ["{", "JSON"],
    ["{}", "name"],
    ['{"name":""}', "name"],
    ['{"name":5}', "name"],
    ['{"name":null}', "name"],
    [{ name: "x".repeat(1001) }, "name"],
    ['{"name":"a\\u0000b"}', "name"],
    ['{"name":"\\ud800"}', "name"],
    [{ name: "echo", version: 1 }, "version"],
    [{ name: "echo", tags: ["a"] }, "tags"],
    [{ name: "echo", tags: { a: 1 } }, "tags"],
    ['{"name":"echo","tags":{"\\ud800":"x"}}', "tags"],
    [{ name: "echo", start_at: "tomorrow" }, "start_at"],
    [{ name: "echo", start_at: 1_800_000_000_000 }, "start_at"],
    [{ name: "echo", start_at: "2026-12-31T23:59:60Z" }, "start_at"],
    [{ name: "echo", operation_id: 5 }, "operation_id"],
    [{ name: "echo", tag: { a: "b" } }, "tag"],
    ['{"name":"echo","__proto__":{}}', "__proto__"],
  ] as const) {
    const text = JSON.stringify(body);
    const response = await send(api().at("/api/operations"), body, {
      "content-type": "application/json",
    });
    const { detail } = await problemOf(response, 400, "invalid-body", text);
    expect(detail, text).toContain(named);
  }
  const invalid = await api().start({ name: "echo", operation_id: "@x" });
  await problemOf(invalid, 400, "invalid-operation-id");
  const typed = await send(api().at("/api/operations"), "{}", { "content-type": "text/plain" });
  await problemOf(typed, 415, "unsupported-media-type");
});

test("what the scheduler cannot store is 422", async () => {
  const tags = Object.fromEntries(
    Array.from({ length: 40 }, (_, index) => [`tag-${index}`, "x".repeat(1000)]),
  );
  await problemOf(await api().start({ name: "echo", tags }), 422, "values-rejected");
});

test("a start that accepts an event stream is answered with the operation's, from its first state", async () => {
  const response = await api().start({ name: "wait", operation_id: "watched" }, EVENT_STREAM);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  expect(response.headers.get("location")).toBe("/api/operations/watched");
  await api().reaches("watched", "RUNNING");
  await stack.client.raiseOrchestrationEvent("watched", "go", 42);
  const text = await within("the end of the stream", response.text());
  const events = [...text.matchAll(/^event: (\w+)$/gm)].map(([, type]) => type);
  expect(events[0]).toBe("snapshot");
  expect(events.at(-1)).toBe("bye");
  expect(text).toContain('"status":"Completed"');
  expect(text).toContain('"result":42');
  expect(text).toMatch(/"reason":"terminal"/);
});

test("a start answers with a stream only where a document is not accepted", async () => {
  for (const [accept, type] of [
    ["*/*", "application/json"],
    ["application/json, text/event-stream", "application/json"],
    ["text/event-stream;q=0.9, text/plain", "text/event-stream"],
    ["Text/Event-Stream", "text/event-stream"],
  ] as const) {
    const response = await api().start({ name: "echo" }, { accept });
    expect(response.headers.get("content-type"), accept).toContain(type);
    await response.text();
  }
});

test("a refused start is a problem, also to a client that accepts a stream", async () => {
  await api().started({ name: "wait", operation_id: "taken" });
  const again = await api().start({ name: "wait", operation_id: "taken" }, EVENT_STREAM);
  await problemOf(again, 409, "operation-exists");
});

test("the events URL of a start that was streamed resumes its stream", async () => {
  const response = await api().start({ name: "wait", operation_id: "resumed" }, EVENT_STREAM);
  const reader = response.body?.getReader();
  await within("the first bytes", reader?.read() ?? Promise.reject());
  await reader?.cancel();
  const stream = await SseClient.connect(api().at("/api/operations/resumed/events"));
  expect((await stream.nextState()).data.operation.operation_id).toBe("resumed");
});

test("Prefer: wait answers 200 with the document when the operation ends within the time", async () => {
  const response = await api().start({ name: "echo", input: 7 }, { prefer: "wait=60" });
  expect(response.status).toBe(200);
  expect(response.headers.get("preference-applied")).toBe("wait=60");
  const document = (await response.json()) as { operation_id: string; cursor: string };
  expect(document).toMatchObject({ status: "Completed", result: 7 });
  expect(response.headers.get("etag")).toBe(`W/"${document.cursor}"`);
  expect(response.headers.get("location")).toBe(`/api/operations/${document.operation_id}`);
  const failed = await api().start({ name: "fail" }, { prefer: "wait=60" });
  expect([failed.status, await failed.json()]).toMatchObject([200, { status: "Failed" }]);
});

test("Prefer: wait answers 202 when it does not, and other preferences are ignored", async () => {
  const late = await api().start({ name: "wait" }, { prefer: "wait=1" });
  expect([late.status, late.headers.get("preference-applied")]).toEqual([202, "wait=1"]);
  expect(((await late.json()) as Started).operation_id).toMatch(/^[0-9a-f-]{36}$/);
  for (const prefer of ["wait=0", "wait=soon", "respond-async"]) {
    const response = await api().start({ name: "wait" }, { prefer });
    expect([response.status, response.headers.get("preference-applied")]).toEqual([202, null]);
  }
});

test("the sample's start waits and streams as well", async () => {
  const url = api().at("/api/start-operation");
  // The worker takes what it does not know, and fails it.
  const waited = await send(url, {}, { prefer: "wait=60" });
  expect([waited.status, await waited.json()]).toMatchObject([200, { status: "Failed" }]);
  const streamed = await send(url, { operation_id: "sample" }, EVENT_STREAM);
  expect(streamed.headers.get("location")).toBe("/api/operations/sample");
  await streamed.body?.cancel();
});
