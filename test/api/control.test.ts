import { expect, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { useForeignWorker } from "./support/foreign-worker.ts";
import { client, type Document, type Started, send } from "./support/operations.ts";
import { problemOf } from "./support/problem.ts";
import { useSharedStack } from "./support/shared-stack.ts";

/* Verbs that change the course of an operation, whose worker knows nothing of this API. */

const stack = useSharedStack();
useForeignWorker(stack);
const api = () => client(stack);

const encoded = encodeURIComponent;
const verb = (id: string, name: string, body?: unknown) =>
  send(api().at(`/api/operations/${encoded(id)}/${name}`), body);

/** An operation that waits for the event "go". */
async function waiting(id?: string): Promise<string> {
  const started = await api().started({ name: "wait", ...(id && { operation_id: id }) });
  await api().reaches(started, "RUNNING");
  return started;
}

async function ended(id = "wait", status = "Completed"): Promise<string> {
  const started = await api().started({ name: id === "wait" ? "echo" : id });
  await api().reaches(started, status);
  return started;
}

async function accepted(response: Response): Promise<Document> {
  expect(response.status, await response.clone().text()).toBe(202);
  return response.json();
}

/** The steps of an operation's history, with their payloads. */
async function steps(id: string): Promise<Document[]> {
  const response = await fetch(api().at(`/api/operations/${id}/history?include=payloads`));
  return ((await response.json()) as Document).steps;
}

test("terminate ends an operation, and its reason becomes the result", async () => {
  const id = await waiting();
  const response = await verb(id, "terminate", { reason: "the customer has cancelled" });
  expect(response.headers.get("location")).toBe(`/api/operations/${id}`);
  const document = await accepted(response.clone());
  expect(document).toMatchObject({ operation_id: id, name: "wait" });
  expect(response.headers.get("etag")).toBe(`W/"${document.cursor}"`);
  const end = await api().reaches(id, "TERMINATED");
  expect(end.result).toBe("the customer has cancelled");
});

test("a verb needs no body, and takes an empty one", async () => {
  for (const headers of [{}, { "content-type": "application/json" }]) {
    const id = await waiting();
    await accepted(await send(api().at(`/api/operations/${id}/terminate`), undefined, headers));
    expect((await api().reaches(id, "TERMINATED")).result).toBeUndefined();
  }
});

test("terminate reaches the children if it is recursive, and only then", async () => {
  for (const recursive of [true, false]) {
    const child = `child-of-${recursive}`;
    const parent = await api().started({ name: "parent", input: child });
    await api().reaches(child, "RUNNING");
    await accepted(await verb(parent, "terminate", { recursive, reason: "all" }));
    await api().reaches(parent, "TERMINATED");
    if (recursive) await api().reaches(child, "TERMINATED");
    else expect(await api().read(child)).toMatchObject({ status: "RUNNING", parent_id: parent });
  }
});

test("a recursive terminate reaches all descendants, suspended ones as well", async () => {
  const root = await api().started({ name: "grandparent", input: "leaf" });
  const tree = [root, "parent-of-leaf", "leaf"];
  await api().reaches("leaf", "RUNNING");
  for (const id of tree) await accepted(await verb(id, "suspend"));
  for (const id of tree) await api().reaches(id, "SUSPENDED");
  await accepted(await verb(root, "terminate", { recursive: true }));
  for (const id of tree) await api().reaches(id, "TERMINATED");
});

test("an operation whose start is not due yet is terminated without running", async () => {
  const start_at = new Date(Date.now() + 3_600_000).toISOString();
  const id = await api().started({ name: "echo", start_at });
  await accepted(await verb(id, "terminate", { reason: "changed our mind" }));
  expect((await api().reaches(id, "TERMINATED")).result).toBe("changed our mind");
});

test("suspend and resume, with their reasons in the history", async () => {
  const id = await waiting();
  await accepted(await verb(id, "suspend", { reason: "lunch" }));
  await api().reaches(id, "SUSPENDED");
  // What happens meanwhile reaches the orchestration when it resumes.
  await accepted(await verb(id, "events/go", '"done"'));
  await accepted(await verb(id, "suspend"));
  expect((await api().read(id)).status).toBe("SUSPENDED");
  await accepted(await verb(id, "resume", { reason: "back" }));
  expect((await api().reaches(id, "Completed")).result).toBe("done");
  const history = await stack.client.getOrchestrationHistory(id);
  const told = history.filter(({ type }) => /Suspended|Resumed/.test(type)) as Document[];
  expect(told.map(({ type, input }) => [type, input])).toEqual([
    ["ExecutionSuspended", "lunch"],
    ["ExecutionSuspended", undefined],
    ["ExecutionResumed", "back"],
  ]);
});

test("a suspended operation can be terminated", async () => {
  const id = await waiting();
  await accepted(await verb(id, "suspend"));
  await api().reaches(id, "SUSPENDED");
  await accepted(await verb(id, "terminate"));
  await api().reaches(id, "TERMINATED");
});

test("a suspend reaches an operation that no worker has taken yet", async () => {
  const start_at = new Date(Date.now() + 1500).toISOString();
  const id = await api().started({ name: "wait", start_at });
  await accepted(await verb(id, "suspend"));
  await api().reaches(id, "SUSPENDED");
});

test("rewind continues a failed operation from where it failed", async () => {
  const id = await api().started({ name: "recovers" });
  await api().reaches(id, "Failed");
  expect((await accepted(await verb(id, "rewind", { reason: "mended" }))).status).toBe("RUNNING");
  expect((await api().reaches(id, "Completed")).result).toBe("recovered");
});

test("restart runs a terminal operation again under its id", async () => {
  const id = await api().started({ name: "echo", input: { keep: "me" }, tags: { a: "1" } });
  const { created_at } = await api().reaches(id, "Completed");
  const response = await verb(id, "restart");
  expect(response.headers.get("location")).toBe(`/api/operations/${id}`);
  expect(response.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
  expect((await accepted(response)).operation_id).toBe(id);
  const again = await eventually("the end of the second run", async () => {
    const document = await api().read(id);
    return document?.created_at > created_at && document.status === "Completed" && document;
  });
  expect(again).toMatchObject({ name: "echo", result: { keep: "me" }, tags: { a: "1" } });
});

test("restart with a new id starts another one, also beside an active one", async () => {
  const id = await waiting();
  const started = (await accepted(await verb(id, "restart", { new_id: true }))) as Started;
  expect(started.operation_id).not.toBe(id);
  expect(started.status_url).toBe(`/api/operations/${started.operation_id}`);
  await api().reaches(started.operation_id, "RUNNING");
  expect((await api().read(id)).status).toBe("RUNNING");
});

test("an event brings any JSON, digit for digit", async () => {
  for (const data of [
    "null",
    "[1.0,-0]",
    '"é"',
    '{ "__proto__": 12345678901234567890 }',
    "false",
  ]) {
    const id = await waiting();
    await accepted(await verb(id, "events/go", data));
    await api().reaches(id, "Completed");
    const raised = (await steps(id)).find(({ kind }) => kind === "event_raised");
    expect(raised).toMatchObject({ name: "go", input: data });
  }
});

test("an event without a body brings null, and one for an odd name arrives", async () => {
  const id = await waiting();
  await accepted(await send(api().at(`/api/events?operation_id=${id}&name=${encoded("a/b %.ä")}`)));
  await accepted(await verb(id, "events/go"));
  expect((await api().reaches(id, "Completed")).result).toBeNull();
  const names = (await steps(id)).filter(({ kind }) => kind === "event_raised");
  expect(names.map(({ name }) => name)).toEqual(["a/b %.ä", "go"]);
});

test("an event of 1 MB arrives, and one byte more is 413", async () => {
  const id = await waiting();
  const largest = JSON.stringify("x".repeat(1024 * 1024 - 2));
  await problemOf(await verb(id, "events/go", `${largest} `), 413, "body-too-large");
  await accepted(await verb(id, "events/go", largest));
  await api().reaches(id, "Completed");
});

test("each verb has a form for ids that a path cannot carry", async () => {
  const byQuery = (path: string, id: string, query = "") =>
    send(api().at(`/api/${path}?operation_id=${encoded(id)}${query}`));
  for (const [id, path, status] of [
    ["..", "terminate", "TERMINATED"],
    ["a/b", "suspend", "SUSPENDED"],
    ["terminate", "terminate", "TERMINATED"],
  ] as const) {
    await waiting(id);
    await accepted(await byQuery(path, id));
    await api().reaches(id, status);
  }
  await accepted(await byQuery("resume", "a/b"));
  await api().reaches("a/b", "RUNNING");
  await accepted(await byQuery("events", "a/b", "&name=go"));
  await api().reaches("a/b", "Completed");
  await accepted(await byQuery("restart", "a/b"));
  await api().reaches("a/b", "RUNNING");
  await api().started({ name: "recovers", operation_id: "%2F" });
  await api().reaches("%2F", "Failed");
  await accepted(await byQuery("rewind", "%2F"));
  await api().reaches("%2F", "Completed");
});

test("what the state does not allow is 409, which names the state", async () => {
  const completed = await ended();
  const failed = await ended("fail", "Failed");
  const active = await waiting();
  for (const [id, name, status] of [
    [completed, "terminate", "Completed"],
    [completed, "suspend", "Completed"],
    [completed, "resume", "Completed"],
    [completed, "rewind", "Completed"],
    [completed, "events/go", "Completed"],
    [failed, "terminate", "Failed"],
    [active, "rewind", "RUNNING"],
    [active, "restart", "RUNNING"],
  ] as const) {
    const problem = await problemOf(await verb(id, name), 409, "wrong-state", name);
    expect(problem, name).toMatchObject({ operation_id: id, operation_status: status });
    expect(problem.detail).toContain(status);
  }
});

test("an unknown operation is 404, and an id that cannot be one is 400", async () => {
  for (const name of ["terminate", "suspend", "resume", "rewind", "restart", "events/go"]) {
    await problemOf(await verb("nobody", name), 404, "operation-not-found", name);
    await problemOf(await verb("@entity", name), 400, "invalid-operation-id", name);
    const path = name.startsWith("events") ? "/api/events?name=go" : `/api/${name}`;
    await problemOf(await send(api().at(path)), 400, "invalid-query", path);
  }
});

test("a body that is no such object is 400, and changes nothing", async () => {
  const id = await waiting();
  for (const [name, body] of [
    ["terminate", "null"],
    ["terminate", "[]"],
    ["terminate", '"reason"'],
    ["terminate", "{"],
    ["terminate", '{"reason":5}'],
    ["terminate", '{"reason":"\\ud800"}'],
    ["terminate", '{"recursive":"yes"}'],
    ["terminate", '{"resaon":"x"}'],
    ["terminate", { reason: "x".repeat(1001) }],
    ["suspend", '{"recursive":true}'],
    ["resume", '{"reason":null}'],
    ["rewind", '{"reason":[]}'],
    ["restart", '{"new_id":1}'],
    ["events/go", "{"],
    ["events/go", "NaN"],
  ] as const) {
    await problemOf(await verb(id, name, body), 400, "invalid-body", `${name} ${body}`);
  }
  for (const query of ["?name=", `?name=${"x".repeat(1001)}`, "?name=%00", ""]) {
    const url = api().at(`/api/events${query}${query ? "&" : "?"}operation_id=${id}`);
    await problemOf(await send(url), 400, "invalid-query", query);
  }
  const url = api().at(`/api/operations/${id}/suspend`);
  const typed = await send(url, "{}", { "content-type": "text/plain" });
  await problemOf(typed, 415, "unsupported-media-type");
  await problemOf(await fetch(url), 405, "method-not-allowed");
  expect((await api().read(id)).status).toBe("RUNNING");
});

test("subscribers of every kind see what a verb does", async () => {
  const id = await waiting("control-seen");
  const [one, feed] = await Promise.all([
    SseClient.connect(api().at(`/api/operations/${id}/events`)),
    SseClient.connect(api().at("/api/events?prefix=control-seen")),
  ]);
  const states = async (stream: SseClient, status: string) => {
    for (;;) {
      const { data } = await stream.nextState();
      if (data.operation?.status === status) return;
    }
  };
  for (const [name, status] of [
    ["suspend", "SUSPENDED"],
    ["resume", "RUNNING"],
    ["terminate", "TERMINATED"],
  ] as const) {
    await accepted(await verb(id, name));
    await Promise.all([states(one, status), states(feed, status)]);
  }
  await accepted(await verb(id, "restart"));
  await states(feed, "RUNNING");
});
