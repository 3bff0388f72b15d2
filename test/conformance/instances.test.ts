import { type OrchestrationContext, OrchestrationStatus } from "@microsoft/durabletask-js";
import { expect, test } from "vitest";
import { useTaskHub } from "./support/task-hub.ts";

type Steps = AsyncGenerator<unknown, unknown, unknown>;

const hub = useTaskHub((worker) => {
  worker.addNamedOrchestrator("echo", async (_: OrchestrationContext, input: unknown) => input);
  worker.addNamedOrchestrator("version", async (ctx: OrchestrationContext) => ctx.version);
  worker.addNamedOrchestrator("clock", async (ctx: OrchestrationContext) =>
    ctx.currentUtcDateTime.getTime(),
  );
  worker.addNamedOrchestrator("wait", async function* (ctx: OrchestrationContext): Steps {
    return yield ctx.waitForExternalEvent("go");
  });
});

test("an unknown instance has no state", async () => {
  expect(await hub.client.getOrchestrationState(hub.id("nobody"), true)).toBeUndefined();
});

test("the state has name, times, input and output", async () => {
  const before = Date.now() - 60_000; // clocks may differ
  const state = await hub.run("echo", { n: 1 });
  expect(state.name).toBe("echo");
  expect(state.serializedInput).toBe('{"n":1}');
  expect(state.serializedOutput).toBe('{"n":1}');
  expect(state.createdAt.getTime()).toBeGreaterThan(before);
  expect(state.lastUpdatedAt.getTime()).toBeGreaterThanOrEqual(state.createdAt.getTime());
});

test("a second instance with the id of an active one is refused", async () => {
  const id = await hub.client.scheduleNewOrchestration("wait", undefined, hub.id("twice"));
  await expect(hub.client.scheduleNewOrchestration("wait", undefined, id)).rejects.toMatchObject({
    code: 6, // ALREADY_EXISTS
  });
  await hub.client.terminateOrchestration(id, null);
});

test("a start without a reuse policy replaces an instance that has ended", async () => {
  const first = await hub.run("echo", 1, hub.id("again"));
  const second = await hub.run("echo", 2, first.instanceId);
  expect(second.serializedOutput).toBe("2");
  expect(second.createdAt.getTime()).toBeGreaterThan(first.createdAt.getTime());
});

test.each([
  ["101 characters", "x".repeat(101)],
  ["an id that begins with @", "@entity@key"],
  ["a control character", "a\u0007b"],
])("%s make no id", async (_, id) => {
  await expect(hub.client.scheduleNewOrchestration("echo", 1, id)).rejects.toMatchObject({
    code: 3, // INVALID_ARGUMENT
  });
});

test("an input over 1 MB is refused", async () => {
  await expect(hub.run("echo", "x".repeat(1024 * 1024))).rejects.toThrow();
});

test("an input just under 1 MB is accepted unchanged", async () => {
  const input = "x".repeat(1024 * 1024 - 100);
  expect((await hub.run("echo", input)).serializedOutput?.length).toBe(input.length + 2);
});

test("tags are kept", async () => {
  const tags = { team: "blue", "with space": "ä" };
  const id = await hub.client.scheduleNewOrchestration("echo", 1, { tags });
  expect((await hub.end(id)).tags).toEqual(tags);
});

test("the version reaches the orchestrator", async () => {
  const id = await hub.client.scheduleNewOrchestration("version", 1, { version: "2.5.0" });
  expect((await hub.end(id)).serializedOutput).toBe('"2.5.0"');
});

test("an instance with a scheduled start begins at its time", async () => {
  const startAt = new Date(Date.now() + 700);
  const id = await hub.client.scheduleNewOrchestration("clock", undefined, { startAt });
  const waiting = await hub.client.getOrchestrationState(id, false);
  expect(waiting?.runtimeStatus).toBe(OrchestrationStatus.PENDING);
  expect(Number((await hub.end(id)).serializedOutput)).toBeGreaterThanOrEqual(startAt.getTime());
});

test("an instance that waits for its scheduled start can be terminated", async () => {
  const startAt = new Date(Date.now() + 3_600_000);
  const id = await hub.client.scheduleNewOrchestration("echo", 1, { startAt });
  await hub.client.terminateOrchestration(id, "not any more");
  const state = await hub.end(id);
  expect(state.runtimeStatus).toBe(OrchestrationStatus.TERMINATED);
  expect(state.serializedOutput).toBe('"not any more"');
});

test("waiting for the start returns as soon as the instance runs", async () => {
  const id = await hub.client.scheduleNewOrchestration("wait");
  const state = await hub.client.waitForOrchestrationStart(id, false, 20);
  expect(state?.runtimeStatus).toBe(OrchestrationStatus.RUNNING);
  await hub.client.terminateOrchestration(id, null);
});

test("waiting for the end of a terminal instance returns at once", async () => {
  const { instanceId } = await hub.run("echo", 1);
  const again = await hub.client.waitForOrchestrationCompletion(instanceId, false, 20);
  expect(again?.runtimeStatus).toBe(OrchestrationStatus.COMPLETED);
});

test("many instances run at once", async () => {
  const runs = await Promise.all(Array.from({ length: 100 }, (_, n) => hub.run("echo", n)));
  expect(runs.map((state) => Number(state.serializedOutput))).toEqual(runs.map((_, n) => n));
});
