import type { OrchestrationContext } from "@microsoft/durabletask-js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { createSdkWorker } from "../helpers/sdk.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { WsClient } from "../helpers/ws-client.ts";
import { problemOf } from "./support/problem.ts";
import { useSharedStack } from "./support/shared-stack.ts";

/* What a document says of any orchestration, run by a worker that knows nothing of this API. */

const stack = useSharedStack();

const CODE = {
  orchestrators: {
    async *parent(context: OrchestrationContext, childId: string) {
      yield context.callSubOrchestrator("child", { of: childId }, { instanceId: childId });
      return "done";
    },
    async *failing(context: OrchestrationContext) {
      yield context.callActivity("fail");
    },
    async *child(context: OrchestrationContext) {
      yield context.waitForExternalEvent("go");
    },
  },
  activities: {
    fail() {
      throw new Error("no luck");
    },
  },
};

let worker: ReturnType<typeof createSdkWorker>;
beforeAll(async () => {
  worker = createSdkWorker(stack.address, CODE as never);
  await worker.start();
});
afterAll(() => worker.stop());

const path = (id: string, query = "") => new URL(`/api/operations/${id}${query}`, stack.url);

async function read(id: string, query = "") {
  const response = await fetch(path(id, query));
  expect(response.status).toBe(200);
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever JSON the server sends.
  return (await response.json()) as any;
}

const reaches = (id: string, status: string) =>
  eventually(`${id} in status ${status}`, async () => {
    const document = await read(id).catch(() => undefined);
    return document?.status === status && document;
  });

test("a scheduled start is shown with version and tags, until it begins and afterwards", async () => {
  const startAt = new Date(Date.now() + 800);
  const tags = { team: "blue", "a:b": "ä", "2": "two" };
  await stack.client.scheduleNewOrchestration("child", null, {
    instanceId: "scheduled",
    startAt,
    version: "1.2",
    tags,
  });
  const facts = { name: "child", version: "1.2", tags, scheduled_at: startAt.toISOString() };
  const pending = await read("scheduled");
  expect(pending).toMatchObject({ ...facts, status: "PENDING" });
  expect(Object.keys(pending).sort()).toEqual(
    [
      "created_at",
      "cursor",
      "last_updated",
      "operation_id",
      "status",
      ...Object.keys(facts),
    ].sort(),
  );
  expect(await reaches("scheduled", "RUNNING")).toMatchObject(facts);
});

test("a child names its parent, and the parent's steps name the child", async () => {
  await stack.client.scheduleNewOrchestration("parent", "the-child", "the-parent");
  const events = await SseClient.connect(path("the-parent", "/events?detail=steps"));
  const nextStep = async (wanted: string) => {
    for (;;) {
      const { event, data } = await events.next(wanted);
      if (event === "step" && data.kind === wanted) return data;
    }
  };
  const child = { name: "child", child_id: "the-child" };
  expect(await nextStep("sub_orchestration_created")).toMatchObject(child);
  expect(await reaches("the-child", "RUNNING")).toMatchObject({ parent_id: "the-parent" });
  expect(await read("the-parent")).not.toHaveProperty("parent_id");
  await stack.client.raiseOrchestrationEvent("the-child", "go");
  expect(await nextStep("sub_orchestration_completed")).toMatchObject(child);
  const { completed_at, last_updated } = await reaches("the-parent", "Completed");
  expect(completed_at).toBe(last_updated);
});

test("a step about a child belongs to its subscription over a WebSocket", async () => {
  await stack.client.scheduleNewOrchestration("parent", "ws-child", "ws-parent");
  const client = await WsClient.connect(stack.url);
  client.send({ type: "subscribe", sub: "p", operation_id: "ws-parent", detail: "steps" });
  for (let kind = ""; kind !== "sub_orchestration_created"; ) {
    const step = await client.nextOf("step");
    expect(step).toMatchObject({ sub: "p", operation_id: "ws-parent" });
    kind = step.kind;
    if (kind === "sub_orchestration_created") expect(step.child_id).toBe("ws-child");
  }
  await reaches("ws-child", "RUNNING");
  await stack.client.raiseOrchestrationEvent("ws-child", "go");
});

test("the end has its time, which an update names, and a restart has none", async () => {
  await stack.client.scheduleNewOrchestration("child", null, "again");
  const events = await SseClient.connect(path("again", "/events"));
  await reaches("again", "RUNNING");
  await stack.client.terminateOrchestration("again", "enough");
  for (;;) {
    const { data } = await events.nextState();
    if (data.operation.status !== "TERMINATED") continue;
    expect(data.changed).toEqual(["status", "completed_at", "result"]);
    expect(data.operation.completed_at).toBe(data.operation.last_updated);
    break;
  }
  await stack.client.restartOrchestration("again");
  expect(await reaches("again", "RUNNING")).not.toHaveProperty("completed_at");
});

test("the input is included on request only, digit for digit, and never in events", async () => {
  await stack.client.scheduleNewOrchestration("child", { big: 1, text: "ä" }, "with-input");
  await reaches("with-input", "RUNNING");
  expect(await read("with-input")).not.toHaveProperty("input");
  for (const url of [
    path("with-input", "?include=input"),
    new URL("/api/operations?operation_id=with-input&include=input", stack.url),
  ]) {
    const response = await fetch(url);
    const document = (await response.json()) as { cursor: string };
    expect(document).toMatchObject({ input: { big: 1, text: "ä" }, name: "child" });
    expect(response.headers.get("etag")).toBe(`W/"${document.cursor}"`);
    const headers = { "if-none-match": response.headers.get("etag") ?? "" };
    expect((await fetch(url, { headers })).status).toBe(304);
  }
  const events = await SseClient.connect(path("with-input", "/events"));
  expect((await events.nextState()).data.operation).not.toHaveProperty("input");
});

test("a long-poll that includes the input is answered with it at the next change", async () => {
  await stack.client.scheduleNewOrchestration("child", 7, "polled");
  const { cursor } = await reaches("polled", "RUNNING");
  const headers = { prefer: "wait=30", "if-none-match": `W/"${cursor}"` };
  const waiting = fetch(path("polled", "?include=input"), { headers });
  await stack.client.suspendOrchestration("polled");
  expect(await (await waiting).json()).toMatchObject({ status: "SUSPENDED", input: 7 });
});

test("the stack of a failure is included on request only, with that of its cause", async () => {
  await stack.client.scheduleNewOrchestration("failing", 7, "with-stack");
  const error = { type: "TaskFailedError", message: expect.stringContaining("no luck") };
  const { error: bare } = await reaches("with-stack", "Failed");
  expect(bare).toEqual(error);
  const events = await SseClient.connect(path("with-stack", "/events"));
  expect((await events.nextState()).data.operation.error).toEqual(error);
  const { input, error: whole } = await read("with-stack", "?include=input,stack");
  expect({ input, error: whole }).toEqual({
    input: 7,
    error: { ...error, stack: expect.anything() },
  });
  expect(whole.stack).toMatch(/^\S+Error: .*no luck.*\n {4}at /s);
  const query = "/api/operations?operation_id=with-stack&include=stack";
  const alone = (await (await fetch(new URL(query, stack.url))).json()) as object;
  expect(alone).toMatchObject({ error: { ...whole } });
  expect(alone).not.toHaveProperty("input");
});

test("another value of include is a 400 that says what is possible", async () => {
  const { detail } = await problemOf(
    await fetch(path("any", "?include=result")),
    400,
    "invalid-query",
  );
  expect(detail).toBe('"include" must be "input", "stack" or "input,stack".');
});
