import { expect, test } from "vitest";
import type { Instance } from "../../src/dts/instance.ts";
import { eventually } from "../helpers/deadline.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { startTestApi } from "../helpers/stack.ts";
import { problemOf } from "./support/problem.ts";
import { useSharedStack } from "./support/shared-stack.ts";

const stack = useSharedStack({ worker: true });

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
const CURSOR = /^[0-9a-z.]{1,64}$/;
/** An orchestration that no worker here serves, so that it does not change. */
const UNSERVED = "nobody_serves_this";

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever JSON the server sends.
  readonly body: any;
}

async function read(id: string, base = stack.url): Promise<Answer> {
  const response = await fetch(new URL(`/api/operations/${encodeURIComponent(id)}`, base));
  return { status: response.status, headers: response.headers, body: await response.json() };
}

/** Reads until the document has this status. */
function reaches(id: string, status: string): Promise<Answer> {
  return eventually(`${id} in status ${status}`, async () => {
    const answer = await read(id);
    return answer.body.status === status && answer;
  });
}

async function start(body: object): Promise<string> {
  const response = await fetch(new URL("/api/start-operation", stack.url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return ((await response.json()) as { operation_id: string }).operation_id;
}

/** What is the same in every status. */
function expectDocument({ status, headers, body }: Answer, id: string): void {
  expect(status).toBe(200);
  expect(headers.get("content-type")).toMatch(/^application\/json\b/);
  expect(headers.get("etag")).toBe(`W/"${body.cursor}"`);
  expect(headers.get("cache-control")).toBe("no-cache");
  expect(body.operation_id).toBe(id);
  expect(body.cursor).toMatch(CURSOR);
  expect(body.created_at).toMatch(ISO);
  expect(body.last_updated).toMatch(ISO);
  expect(Object.keys(body).filter((key) => /[A-Z]/.test(key))).toEqual([]);
}

test("a pending operation has the sample's keys and Retry-After", async () => {
  const id = await stack.client.scheduleNewOrchestration(UNSERVED, undefined, {
    instanceId: "pending",
    startAt: new Date(Date.now() + 3_600_000),
  });
  const answer = await read(id);
  expectDocument(answer, "pending");
  expect(answer.body.status).toBe("PENDING");
  expect(Object.keys(answer.body).sort()).toEqual([
    "created_at",
    "cursor",
    "last_updated",
    "name",
    "operation_id",
    "scheduled_at",
    "status",
  ]);
  expect(answer.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
});

test("a running operation shows its custom status as it was set", async () => {
  const id = await start({ processing_time: 2, steps: 20 });
  const answer = await eventually("a first step", async () => {
    const answer = await read(id);
    return answer.body.custom_status && answer;
  });
  expectDocument(answer, id);
  expect(answer.body.status).toBe("RUNNING");
  const { step } = answer.body.custom_status;
  expect(answer.body.custom_status).toEqual({
    percent: step * 5,
    step,
    steps: 20,
    message: `step ${step} of 20`,
  });
  expect(answer.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
  expect(answer.body).not.toHaveProperty("result");
  await stack.client.terminateOrchestration(id, null);
});

test("a completed operation has the sample's result, its last progress and no Retry-After", async () => {
  const id = await start({ processing_time: 0 });
  const answer = await reaches(id, "Completed");
  expectDocument(answer, id);
  expect(answer.headers.has("retry-after")).toBe(false);
  expect(answer.body.result).toEqual({
    operation_id: id,
    status: "completed",
    result: `Operation ${id} completed successfully`,
    processed_at: expect.closeTo(Date.now() / 1000, -2),
  });
  expect(answer.body.custom_status).toMatchObject({ percent: 100 });
  expect(answer.body).not.toHaveProperty("error");
});

test("a suspended operation has its status and Retry-After, and resumes", async () => {
  const id = await start({ processing_time: 3, steps: 300 });
  await reaches(id, "RUNNING");
  await stack.client.suspendOrchestration(id);
  const answer = await reaches(id, "SUSPENDED");
  expectDocument(answer, id);
  expect(answer.headers.get("retry-after")).toMatch(/^[1-9]\d*$/);
  await stack.client.resumeOrchestration(id);
  await reaches(id, "RUNNING");
  await stack.client.terminateOrchestration(id, null);
});

test("a terminated operation shows the output it was ended with", async () => {
  const id = await start({ processing_time: 3, steps: 300 });
  await stack.client.terminateOrchestration(id, { reason: "enough" });
  const answer = await reaches(id, "TERMINATED");
  expectDocument(answer, id);
  expect(answer.body.result).toEqual({ reason: "enough" });
  expect(answer.headers.has("retry-after")).toBe(false);
});

test("a failed operation is a 200 with type and message and without a stack", async () => {
  const id = await stack.client.scheduleNewOrchestration(
    "async_http_api_orchestrator",
    { processing_time: -1 },
    "failed",
  );
  const answer = await reaches(id, "Failed");
  expectDocument(answer, "failed");
  expect(answer.body.error).toEqual({
    type: "Error",
    message: expect.stringContaining("processing_time must be"),
  });
  expect(JSON.stringify(answer.body)).not.toMatch(/stack|\bat \S+ \(|\.ts/i);
  expect(answer.headers.has("retry-after")).toBe(false);
  expect(answer.body).not.toHaveProperty("result");
});

test("an unknown id is 404 with the sample's detail", async () => {
  const response = await fetch(new URL("/api/operations/unheard-of", stack.url));
  const problem = await problemOf(response, 404, "operation-not-found");
  expect(problem).toMatchObject({
    detail: "Operation unheard-of not found",
    operation_id: "unheard-of",
  });
});

test("the same state has the same cursor at each request (C1)", async () => {
  const id = await start({ processing_time: 0 });
  const first = await reaches(id, "Completed");
  expect((await read(id)).body).toEqual(first.body);
});

test("statuses and payloads of other schedulers and workers are shown", async () => {
  const times = { createdAtMs: 1_700_000_000_123, lastUpdatedAtMs: 1_700_000_000_999 };
  const scheduler = await ScriptedScheduler.start();
  const set = (id: string, state: Partial<Instance>) => scheduler.set(id, { ...times, ...state });
  set("canceled", { status: "CANCELED" });
  set("continued", { status: "CONTINUED_AS_NEW" });
  set("text", { status: "COMPLETED", output: "no JSON", customStatus: "half" });
  set("big", { status: "COMPLETED", output: "12345678901234567890.10" });
  set("void", { status: "FAILED" });
  const api = await startTestApi(scheduler.address);
  const readHere = (id: string) => read(id, api.url);

  const canceled = await readHere("canceled");
  expectDocument(canceled, "canceled");
  expect(canceled.body).toMatchObject({
    status: "CANCELED",
    created_at: "2023-11-14T22:13:20.123Z",
    last_updated: "2023-11-14T22:13:20.999Z",
  });
  expect(canceled.headers.has("retry-after")).toBe(false);
  expect((await readHere("continued")).body.status).toBe("RUNNING");
  expect((await readHere("text")).body).toMatchObject({
    result: "no JSON",
    custom_status: "half",
  });
  const raw = await (await fetch(new URL("/api/operations/big", api.url))).text();
  expect(raw).toContain('"result":12345678901234567890.10');
  expect((await readHere("void")).body.error).toEqual({ type: "Error", message: "" });
});
