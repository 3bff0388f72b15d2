import {
  type OrchestrationContext,
  OrchestrationStatus,
  terminateOptions,
  whenAll,
} from "@microsoft/durabletask-js";
import { expect, test } from "vitest";
import { useTaskHub } from "./support/task-hub.ts";

type Steps = AsyncGenerator<unknown, unknown, unknown>;

const hub = useTaskHub((worker) => {
  worker.addNamedOrchestrator("square", async (_: OrchestrationContext, n: number) => n * n);
  worker.addNamedOrchestrator("fail", async () => {
    throw new Error("child says no");
  });
  worker.addNamedOrchestrator("who-is-parent", async (ctx: OrchestrationContext) => ctx.parent);
  worker.addNamedOrchestrator("wait", async function* (ctx: OrchestrationContext): Steps {
    return yield ctx.waitForExternalEvent("go");
  });
  worker.addNamedOrchestrator(
    "parent",
    async function* (ctx: OrchestrationContext, numbers: number[]): Steps {
      return yield whenAll(
        numbers.map((n) => ctx.callSubOrchestrator<number, number>("square", n)),
      );
    },
  );
  worker.addNamedOrchestrator(
    "parent-of",
    async function* (ctx: OrchestrationContext, name: string): Steps {
      return yield ctx.callSubOrchestrator(name);
    },
  );
  worker.addNamedOrchestrator(
    "parent-of-named",
    async function* (ctx: OrchestrationContext, instanceId: string): Steps {
      return yield ctx.callSubOrchestrator("wait", undefined, { instanceId });
    },
  );
  worker.addNamedOrchestrator(
    "tower",
    async function* (ctx: OrchestrationContext, height: number): Steps {
      if (height === 0) return 0;
      return ((yield ctx.callSubOrchestrator("tower", height - 1)) as number) + 1;
    },
  );
});

test("sub-orchestrations return results to their parent", async () => {
  expect((await hub.run("parent", [1, 2, 3])).serializedOutput).toBe("[1,4,9]");
});

test("sub-orchestrations may be nested", async () => {
  expect((await hub.run("tower", 5)).serializedOutput).toBe("5");
});

test("the failure of a child fails its parent, with the reason", async () => {
  const state = await hub.run("parent-of", "fail");
  expect(state.runtimeStatus).toBe(OrchestrationStatus.FAILED);
  expect(state.failureDetails?.message).toContain("child says no");
});

test("a child knows its parent", async () => {
  const state = await hub.run("parent-of", "who-is-parent");
  expect(JSON.parse(state.serializedOutput ?? "")).toMatchObject({
    name: "parent-of",
    instanceId: state.instanceId,
  });
});

test("a child with a chosen id can be addressed", async () => {
  const childId = hub.id("child");
  const id = await hub.client.scheduleNewOrchestration("parent-of-named", childId);
  await hub.until(childId, "running", (s) => s.runtimeStatus === OrchestrationStatus.RUNNING);
  await hub.client.raiseOrchestrationEvent(childId, "go", "hello");
  expect((await hub.end(id)).serializedOutput).toBe('"hello"');
});

test("the termination of a child fails its parent", async () => {
  const childId = hub.id("child");
  const id = await hub.client.scheduleNewOrchestration("parent-of-named", childId);
  await hub.until(childId, "running", (s) => s.runtimeStatus === OrchestrationStatus.RUNNING);
  await hub.client.terminateOrchestration(childId, "enough");
  expect((await hub.end(id)).runtimeStatus).toBe(OrchestrationStatus.FAILED);
});

test("a recursive termination terminates the children", async () => {
  const childId = hub.id("child");
  const id = await hub.client.scheduleNewOrchestration("parent-of-named", childId);
  await hub.until(childId, "running", (s) => s.runtimeStatus === OrchestrationStatus.RUNNING);
  await hub.client.terminateOrchestration(id, terminateOptions({ recursive: true, output: "all" }));
  expect((await hub.end(id)).runtimeStatus).toBe(OrchestrationStatus.TERMINATED);
  expect((await hub.end(childId)).runtimeStatus).toBe(OrchestrationStatus.TERMINATED);
});

test("a termination that is not recursive does not affect the children", async () => {
  const childId = hub.id("child");
  const id = await hub.client.scheduleNewOrchestration("parent-of-named", childId);
  await hub.until(childId, "running", (s) => s.runtimeStatus === OrchestrationStatus.RUNNING);
  await hub.client.terminateOrchestration(id, null);
  await hub.end(id);
  await hub.client.raiseOrchestrationEvent(childId, "go", 1);
  expect((await hub.end(childId)).runtimeStatus).toBe(OrchestrationStatus.COMPLETED);
});

test("a recursive purge removes the children", async () => {
  const childId = hub.id("child");
  const id = await hub.client.scheduleNewOrchestration("parent-of-named", childId);
  await hub.until(childId, "running", (s) => s.runtimeStatus === OrchestrationStatus.RUNNING);
  await hub.client.raiseOrchestrationEvent(childId, "go", 1);
  await hub.end(id);
  const result = await hub.client.purgeOrchestration(id, { recursive: true });
  expect(result?.deletedInstanceCount).toBeGreaterThanOrEqual(1);
  expect(await hub.client.getOrchestrationState(id)).toBeUndefined();
  expect(await hub.client.getOrchestrationState(childId)).toBeUndefined();
});
