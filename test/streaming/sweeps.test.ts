import { status } from "@grpc/grpc-js";
import type * as Proto from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import { expect, test } from "vitest";
import type { Config } from "../../src/config.ts";
import type { Instance } from "../../src/dts/instance.ts";
import { eventually } from "../helpers/deadline.ts";
import type { SeenCall } from "../helpers/scheduler/fake-scheduler.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";

const QUICK = { pollMinMs: 20, pollMaxMs: 40, completionCalls: 0 };
const CREATED_MS = 1_700_000_000_000;
const CHANGED_MS = CREATED_MS + 3_600_000;

function namesOf(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}-${index}`);
}

/** Operations that are watched over one stream. */
async function startWatching(
  count: number,
  overrides: Partial<Config> = {},
  prepare: (scheduler: ScriptedScheduler) => void = () => undefined,
) {
  const scheduler = await ScriptedScheduler.start();
  const ids = namesOf("op", count);
  const set = (id: string, change: Partial<Instance> = {}) =>
    scheduler.set(id, instance({ id, createdAtMs: CREATED_MS + 1000, ...change }));
  for (const id of ids) set(id);
  prepare(scheduler);
  const api = await startTestApi(scheduler.address, { ...QUICK, ...overrides });
  const url = new URL("/api/events", api.url);
  for (const id of ids) url.searchParams.append("operation_id", id);
  const client = await SseClient.connect(url);
  for (const _ of ids) expect((await client.nextState()).event).toBe("snapshot");
  return { scheduler, ids, set, client };
}

function hasPayloads({ method, request }: SeenCall): boolean {
  if (method !== "queryInstances") return false;
  return (request as Proto.QueryInstancesRequest).getQuery()?.getFetchinputsandoutputs() ?? false;
}

/** Waits until each operation was read alone so many times more. */
async function readAlone(scheduler: ScriptedScheduler, ids: string[], times: number) {
  const before = ids.map((id) => scheduler.readsOf(id));
  await eventually(`${times} more reads of each operation`, () =>
    ids.every((id, index) => scheduler.readsOf(id) >= (before[index] as number) + times),
  );
}

test("many watched operations are refreshed by sweeps, and few one by one (SWEEP-1)", async () => {
  const { scheduler, ids, set, client } = await startWatching(60);
  await eventually("the first sweeps", () => scheduler.countOf("queryInstances") > 3);
  scheduler.calls.length = 0;
  await eventually("some sweeps", () => scheduler.countOf("queryInstances") > 20);
  expect(scheduler.countOf("getInstance")).toBeLessThan(60);
  for (const id of ids) set(id, { lastUpdatedAtMs: CHANGED_MS, customStatus: "1" });
  const updated = new Set<string>();
  for (const _ of ids) {
    const { event, data } = await client.nextState();
    expect(event).toBe("update");
    updated.add(data.operation.operation_id);
  }
  expect(updated.size).toBe(60);
});

test("a sweep takes as many pages as there are", async () => {
  const { scheduler, ids, set, client } = await startWatching(60, { pollPageSize: 25 });
  await eventually("the first sweeps", () => scheduler.countOf("queryInstances") > 6);
  scheduler.calls.length = 0;
  await eventually("some sweeps", () => scheduler.countOf("queryInstances") > 30);
  expect(scheduler.countOf("getInstance")).toBeLessThan(60);
  for (const id of ids) set(id, { lastUpdatedAtMs: CHANGED_MS, customStatus: "1" });
  for (const _ of ids) expect((await client.nextState()).event).toBe("update");
});

test("few operations are read one by one (SWEEP-1)", async () => {
  const { scheduler, ids } = await startWatching(15);
  await readAlone(scheduler, ids, 5);
  expect(scheduler.countOf("queryInstances")).toBe(0);
});

test("sweeps can be turned off", async () => {
  const { scheduler, ids } = await startWatching(60, { pollPageSize: 0 });
  await readAlone(scheduler, ids, 5);
  expect(scheduler.countOf("queryInstances")).toBe(0);
});

test("where most of a page is not watched, one page is enough to know (SWEEP-2)", async () => {
  const { scheduler, ids } = await startWatching(60, { pollPageSize: 100 }, (each) => {
    for (const id of namesOf("stranger", 200)) each.set(id, instance({ id }));
    // A query lists in the order of insertion: the watched come last.
    for (const id of namesOf("op", 60)) {
      const known = each.get(id);
      each.forget(id);
      each.set(id, { ...known, createdAtMs: CREATED_MS });
    }
  });
  await readAlone(scheduler, ids, 10);
  // The first page is a small one.
  expect(scheduler.countOf("queryInstances")).toBeLessThanOrEqual(5);
});

test("a scheduler without queries is queried once, and read one by one (SWEEP-2)", async () => {
  const { scheduler, ids, set, client } = await startWatching(60, {}, (each) => {
    each.queryFault = { kind: "error", code: status.UNIMPLEMENTED };
  });
  await readAlone(scheduler, ids, 5);
  expect(scheduler.countOf("queryInstances")).toBe(1);
  set("op-7", { lastUpdatedAtMs: CHANGED_MS, customStatus: "1" });
  expect((await client.nextState()).data).toMatchObject({
    type: "update",
    operation: { operation_id: "op-7" },
  });
});

test("large payloads are not fetched for operations that have not changed (LIST-1)", async () => {
  const customStatus = JSON.stringify("x".repeat(110_000));
  const { scheduler, ids, set, client } = await startWatching(25, {}, (each) => {
    for (const id of namesOf("op", 25))
      each.set(id, { ...(each.get(id) as Instance), customStatus });
  });
  await eventually("some sweeps", () => scheduler.countOf("queryInstances") > 20);
  expect(scheduler.calls.filter(hasPayloads)).toHaveLength(1);
  scheduler.calls.length = 0;
  await eventually("more sweeps", () => scheduler.countOf("queryInstances") > 20);
  expect(scheduler.countOf("getInstance")).toBeLessThan(ids.length);
  set("op-7", { lastUpdatedAtMs: CHANGED_MS, customStatus: "1" });
  expect((await client.nextState()).data).toMatchObject({
    type: "update",
    operation: { operation_id: "op-7", custom_status: 1 },
  });
});

test("a query that lags behind single reads is not repeated, and shows nothing (SWEEP-2, C2)", async () => {
  const { scheduler, ids, set, client } = await startWatching(60, {}, (each) => {
    // The state before, which queries will know for a while longer.
    for (const id of namesOf("op", 60)) {
      const present = each.get(id) as Instance;
      each.set(id, { ...present, lastUpdatedAtMs: present.lastUpdatedAtMs - 1 });
      each.set(id, present);
    }
    each.isStale = (_id, method) => method === "queryInstances";
  });
  await readAlone(scheduler, ids, 5);
  expect(scheduler.countOf("queryInstances")).toBe(1);
  set("op-7", { lastUpdatedAtMs: CHANGED_MS, customStatus: "1" });
  expect((await client.nextState()).data).toMatchObject({
    type: "update",
    operation: { operation_id: "op-7", custom_status: 1 },
  });
});

test("a terminal state is on no page, and is found by a single read (SWEEP-3)", async () => {
  const { scheduler, ids, set, client } = await startWatching(60);
  await eventually("the first sweeps", () => scheduler.countOf("queryInstances") > 3);
  for (const id of ids) set(id, { status: "COMPLETED", output: "1", lastUpdatedAtMs: CHANGED_MS });
  const events = await client.untilBye();
  expect(events.filter(({ data }) => data.operation?.status === "Completed")).toHaveLength(60);
  expect(events.at(-1)?.data).toMatchObject({ reason: "terminal" });
});

test("operations that wait for a page that is not answered are read one by one (SWEEP-3)", async () => {
  const { scheduler, set, client } = await startWatching(60);
  await eventually("the first sweeps", () => scheduler.countOf("queryInstances") > 3);
  scheduler.queryFault = { kind: "held" };
  set("op-7", { lastUpdatedAtMs: CHANGED_MS, customStatus: "1" });
  expect((await client.nextState()).data).toMatchObject({
    type: "update",
    operation: { operation_id: "op-7" },
  });
});
