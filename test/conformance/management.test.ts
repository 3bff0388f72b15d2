import {
  type OrchestrationContext,
  OrchestrationStatus,
  PurgeInstanceCriteria,
} from "@microsoft/durabletask-js";
import { expect, test } from "vitest";
import { useTaskHub } from "./support/task-hub.ts";

type Steps = AsyncGenerator<unknown, unknown, unknown>;
const attempts = new Map<string, number>();

const hub = useTaskHub((worker) => {
  worker.addNamedActivity("echo", (_, value: unknown) => value);
  worker.addNamedActivity("fail-once", (_, key: string) => {
    const attempt = (attempts.get(key) ?? 0) + 1;
    attempts.set(key, attempt);
    if (attempt === 1) throw new Error("the first attempt fails");
    return attempt;
  });
  worker.addNamedOrchestrator("echo", async (_: OrchestrationContext, input: unknown) => input);
  worker.addNamedOrchestrator("fail", async () => {
    throw new Error("no");
  });
  worker.addNamedOrchestrator("wait", async function* (ctx: OrchestrationContext): Steps {
    return yield ctx.waitForExternalEvent("go");
  });
  worker.addNamedOrchestrator("full-history", async function* (ctx: OrchestrationContext): Steps {
    yield ctx.callActivity("echo", 1);
    yield ctx.createTimer(0.01);
    yield ctx.callSubOrchestrator("echo", 2);
    return "done";
  });
  worker.addNamedOrchestrator("recovers", async function* (ctx: OrchestrationContext): Steps {
    const before = yield ctx.callActivity("echo", "before");
    return [before, yield ctx.callActivity("fail-once", ctx.instanceId)];
  });
  worker.addNamedOrchestrator("child-recovers", async function* (ctx: OrchestrationContext): Steps {
    return yield ctx.callSubOrchestrator("recovers");
  });
});

async function idsOf(prefix: string, statuses: OrchestrationStatus[] = []): Promise<string[]> {
  const ids: string[] = [];
  const query = { instanceIdPrefix: prefix, statuses, pageSize: 2 };
  for await (const { instanceId } of hub.client.getAllInstances(query)) ids.push(instanceId);
  return ids;
}

test("a query pages through instances by prefix and status, each once", async () => {
  const prefix = hub.id("query");
  for (let n = 0; n < 5; n += 1) await hub.run("echo", n, `${prefix}-${n}`);
  const live = await hub.client.scheduleNewOrchestration("wait", undefined, `${prefix}-live`);
  await hub.started(live);
  expect((await idsOf(prefix)).length).toBe(6);
  expect(new Set(await idsOf(prefix)).size).toBe(6);
  expect(await idsOf(prefix, [OrchestrationStatus.RUNNING])).toEqual([live]);
  expect((await idsOf(prefix, [OrchestrationStatus.COMPLETED])).length).toBe(5);
  await hub.client.terminateOrchestration(live, null);
});

test("a query by creation time includes its lower bound and excludes its upper one", async () => {
  const prefix = hub.id("created");
  const { createdAt } = await hub.run("echo", 1, `${prefix}-1`);
  const within = async (createdFrom: Date, createdTo: Date) => {
    const found: string[] = [];
    const query = { instanceIdPrefix: prefix, createdFrom, createdTo };
    for await (const { instanceId } of hub.client.getAllInstances(query)) found.push(instanceId);
    return found.length;
  };
  const after = new Date(createdAt.getTime() + 1);
  expect(await within(createdAt, after)).toBe(1);
  expect(await within(new Date(createdAt.getTime() - 1000), createdAt)).toBe(0);
  expect(await within(after, new Date(createdAt.getTime() + 1000))).toBe(0);
});

test("a query returns input, output and custom status on request", async () => {
  const id = hub.id("payloads");
  await hub.run("echo", "in and out", id);
  const query = { instanceIdPrefix: id, fetchInputsAndOutputs: true };
  for await (const state of hub.client.getAllInstances(query)) {
    expect(state.serializedInput).toBe('"in and out"');
    expect(state.serializedOutput).toBe('"in and out"');
  }
});

test("terminal instances are listed in pages, each once", async () => {
  const started = new Date(Date.now() - 60_000);
  const ids = await Promise.all(
    [1, 2, 3, 4, 5].map(async (n) => (await hub.run("echo", n)).instanceId),
  );
  const found: string[] = [];
  let lastInstanceKey: string | undefined;
  do {
    const page = await hub.client.listInstanceIds({
      runtimeStatus: [OrchestrationStatus.COMPLETED],
      completedTimeFrom: started,
      pageSize: 2,
      ...(lastInstanceKey && { lastInstanceKey }),
    });
    expect(page.values.length).toBeLessThanOrEqual(2);
    found.push(...page.values);
    lastInstanceKey = page.continuationToken;
  } while (lastInstanceKey);
  expect(found).toEqual(expect.arrayContaining(ids));
  expect(new Set(found).size).toBe(found.length);
});

test("history is stored in the order of the Durable Task Scheduler", async () => {
  const { instanceId } = await hub.run("full-history");
  const history = await hub.client.getOrchestrationHistory(instanceId);
  expect(history.map(({ type }) => type)).toEqual([
    "OrchestratorStarted",
    "ExecutionStarted",
    "TaskScheduled",
    "OrchestratorStarted",
    "TaskCompleted",
    "TimerCreated",
    "OrchestratorStarted",
    "TimerFired",
    "SubOrchestrationInstanceCreated",
    "OrchestratorStarted",
    "SubOrchestrationInstanceCompleted",
    "ExecutionCompleted",
  ]);
  const ids = history.map(({ eventId }) => eventId).filter((id) => id >= 0);
  expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
});

test("an unknown instance has no history", async () => {
  expect(await hub.client.getOrchestrationHistory(hub.id("nobody"))).toEqual([]);
});

test("a terminal instance is purged, an active one is not", async () => {
  const { instanceId } = await hub.run("echo", 1);
  expect((await hub.client.purgeOrchestration(instanceId))?.deletedInstanceCount).toBe(1);
  expect(await hub.client.getOrchestrationState(instanceId)).toBeUndefined();
  expect(await hub.client.getOrchestrationHistory(instanceId)).toEqual([]);
  const live = await hub.client.scheduleNewOrchestration("wait");
  await hub.started(live);
  expect((await hub.client.purgeOrchestration(live))?.deletedInstanceCount).toBe(0);
  await hub.client.terminateOrchestration(live, null);
});

test("a purge by criteria removes exactly the matching instances", async () => {
  const done = await hub.run("fail", 1);
  const kept = await hub.run("echo", 1);
  const criteria = new PurgeInstanceCriteria();
  criteria.setCreatedTimeFrom(done.createdAt);
  criteria.setRuntimeStatusList([OrchestrationStatus.FAILED]);
  const result = await hub.client.purgeOrchestration(criteria);
  expect(result?.deletedInstanceCount).toBeGreaterThanOrEqual(1);
  expect(await hub.client.getOrchestrationState(done.instanceId)).toBeUndefined();
  expect(await hub.client.getOrchestrationState(kept.instanceId)).toBeDefined();
});

test("a restart under the same id runs with the same input and has a later date", async () => {
  const first = await hub.run("echo", { keep: "me" });
  expect(await hub.client.restartOrchestration(first.instanceId, false)).toBe(first.instanceId);
  const second = await hub.end(first.instanceId);
  expect(second.serializedOutput).toBe('{"keep":"me"}');
  expect(second.createdAt.getTime()).toBeGreaterThan(first.createdAt.getTime());
});

test("a restart with a new id does not affect the old instance, even if it is active", async () => {
  const id = await hub.client.scheduleNewOrchestration("wait", "in");
  await hub.started(id);
  const copy = await hub.client.restartOrchestration(id, true);
  expect(copy).not.toBe(id);
  for (const each of [id, copy]) await hub.client.raiseOrchestrationEvent(each, "go", each);
  expect((await hub.end(id)).serializedOutput).toBe(JSON.stringify(id));
  expect((await hub.end(copy)).serializedOutput).toBe(JSON.stringify(copy));
});

test("an active instance cannot be restarted under its own id, nor an unknown one", async () => {
  const id = await hub.client.scheduleNewOrchestration("wait");
  await hub.started(id);
  await expect(hub.client.restartOrchestration(id, false)).rejects.toThrow();
  await expect(hub.client.restartOrchestration(hub.id("nobody"), true)).rejects.toThrow();
  await hub.client.terminateOrchestration(id, null);
});

test("a rewound instance continues from its failure", async () => {
  const id = await hub.client.scheduleNewOrchestration("recovers");
  expect((await hub.end(id)).runtimeStatus).toBe(OrchestrationStatus.FAILED);
  await hub.client.rewindInstance(id, "try again");
  const state = await hub.end(id);
  expect(state.runtimeStatus).toBe(OrchestrationStatus.COMPLETED);
  expect(state.serializedOutput).toBe('["before",2]');
});

test("a rewind reaches the child that failed", async () => {
  const id = await hub.client.scheduleNewOrchestration("child-recovers");
  expect((await hub.end(id)).runtimeStatus).toBe(OrchestrationStatus.FAILED);
  await hub.client.rewindInstance(id, "try again");
  const state = await hub.end(id);
  expect(state.failureDetails?.message).toBeUndefined();
  expect(state.serializedOutput).toBe('["before",2]');
});

test("only a failed instance can be rewound", async () => {
  const { instanceId } = await hub.run("echo", 1);
  await expect(hub.client.rewindInstance(instanceId, "no")).rejects.toThrow();
  const live = await hub.client.scheduleNewOrchestration("wait");
  await hub.started(live);
  await expect(hub.client.rewindInstance(live, "no")).rejects.toThrow(
    /not allow|precondition|running/i,
  );
  await expect(hub.client.rewindInstance(hub.id("nobody"), "no")).rejects.toThrow();
  await hub.client.terminateOrchestration(live, null);
});
