import {
  type OrchestrationContext,
  OrchestrationStatus,
  type Task,
  whenAny,
} from "@microsoft/durabletask-js";
import { expect, test } from "vitest";
import { useTaskHub } from "./support/task-hub.ts";

type Steps = AsyncGenerator<unknown, unknown, unknown>;

const hub = useTaskHub((worker) => {
  worker.addNamedActivity("echo", (_, value: unknown) => value);
  worker.addNamedOrchestrator(
    "sleep",
    async function* (ctx: OrchestrationContext, seconds: number): Steps {
      const before = ctx.currentUtcDateTime.getTime();
      yield ctx.createTimer(seconds);
      return ctx.currentUtcDateTime.getTime() - before;
    },
  );
  worker.addNamedOrchestrator("two-sleeps", async function* (ctx: OrchestrationContext): Steps {
    yield ctx.createTimer(0.2);
    yield ctx.createTimer(0.2);
    return undefined;
  });
  worker.addNamedOrchestrator(
    "sleep-until-past",
    async function* (ctx: OrchestrationContext): Steps {
      yield ctx.createTimer(new Date(ctx.currentUtcDateTime.getTime() - 60_000));
      return "awake";
    },
  );
  worker.addNamedOrchestrator("three-events", async function* (ctx: OrchestrationContext): Steps {
    const got: unknown[] = [];
    for (let n = 0; n < 3; n += 1) got.push(yield ctx.waitForExternalEvent("More"));
    return got;
  });
  worker.addNamedOrchestrator(
    "event-or-timeout",
    async function* (ctx: OrchestrationContext, seconds: number): Steps {
      const event = ctx.waitForExternalEvent("go");
      const timer = ctx.createTimer(seconds);
      const winner = (yield whenAny([event, timer as Task<unknown>])) as Task<unknown>;
      return winner === event ? event.getResult() : "timeout";
    },
  );
  worker.addNamedOrchestrator(
    "sender",
    async function* (ctx: OrchestrationContext, target: string): Steps {
      ctx.sendEvent(target, "more", "from another");
      yield ctx.createTimer(0.05);
      return "sent";
    },
  );
  worker.addNamedOrchestrator(
    "works-after-event",
    async function* (ctx: OrchestrationContext): Steps {
      ctx.setCustomStatus("waiting");
      const value = yield ctx.waitForExternalEvent("go");
      ctx.setCustomStatus({ got: value });
      return yield ctx.callActivity("echo", value);
    },
  );
});

test("a timer does not fire early", async () => {
  const state = await hub.run("sleep", 0.3);
  expect(Number(state.serializedOutput)).toBeGreaterThanOrEqual(300);
  expect(state.lastUpdatedAt.getTime() - state.createdAt.getTime()).toBeGreaterThanOrEqual(300);
});

test("consecutive timers take the sum of their times", async () => {
  const state = await hub.run("two-sleeps");
  expect(state.lastUpdatedAt.getTime() - state.createdAt.getTime()).toBeGreaterThanOrEqual(400);
});

test("a timer whose time has passed fires at once", async () => {
  expect((await hub.run("sleep-until-past")).serializedOutput).toBe('"awake"');
});

test("events reach the instance in order, whatever the case of their name", async () => {
  const id = await hub.client.scheduleNewOrchestration("three-events");
  for (const [name, data] of [
    ["more", 1],
    ["MORE", 2],
    ["More", { three: 3 }],
  ] as const) {
    await hub.client.raiseOrchestrationEvent(id, name, data);
  }
  expect((await hub.end(id)).serializedOutput).toBe('[1,2,{"three":3}]');
});

test("an event that arrives in time wins over the timer", async () => {
  const id = await hub.client.scheduleNewOrchestration("event-or-timeout", 60);
  await hub.client.raiseOrchestrationEvent(id, "go", "now");
  expect((await hub.end(id)).serializedOutput).toBe('"now"');
});

test("the timer wins when no event arrives", async () => {
  expect((await hub.run("event-or-timeout", 0.1)).serializedOutput).toBe('"timeout"');
});

test("an orchestration sends an event to another, once", async () => {
  const id = await hub.client.scheduleNewOrchestration("three-events");
  expect((await hub.run("sender", id)).serializedOutput).toBe('"sent"');
  await hub.client.raiseOrchestrationEvent(id, "more", 2);
  await hub.client.raiseOrchestrationEvent(id, "more", 3);
  expect((await hub.end(id)).serializedOutput).toBe('["from another",2,3]');
});

test("raising an event for an unknown instance is an error", async () => {
  await expect(hub.client.raiseOrchestrationEvent(hub.id("nobody"), "go")).rejects.toThrow();
});

test("custom status is visible while the instance runs and after its end", async () => {
  const id = await hub.client.scheduleNewOrchestration("works-after-event");
  const waiting = await hub.until(id, "waiting", (s) => s.serializedCustomStatus === '"waiting"');
  expect(waiting.runtimeStatus).toBe(OrchestrationStatus.RUNNING);
  await hub.client.raiseOrchestrationEvent(id, "go", 7);
  expect((await hub.end(id)).serializedCustomStatus).toBe('{"got":7}');
});

test("a suspended instance handles events after it is resumed", async () => {
  const id = await hub.client.scheduleNewOrchestration("works-after-event");
  await hub.started(id);
  await hub.client.suspendOrchestration(id);
  await hub.reaches(id, OrchestrationStatus.SUSPENDED);
  await hub.client.raiseOrchestrationEvent(id, "go", "late");
  await hub.client.resumeOrchestration(id);
  expect((await hub.end(id)).serializedOutput).toBe('"late"');
});

test("a resumed instance is RUNNING again", async () => {
  const id = await hub.client.scheduleNewOrchestration("works-after-event");
  await hub.started(id);
  await hub.client.suspendOrchestration(id);
  await hub.reaches(id, OrchestrationStatus.SUSPENDED);
  await hub.client.resumeOrchestration(id);
  await hub.reaches(id, OrchestrationStatus.RUNNING);
  await hub.client.terminateOrchestration(id, null);
  await hub.end(id);
});

test("a terminated instance has the output of the termination", async () => {
  const id = await hub.client.scheduleNewOrchestration("works-after-event");
  await hub.started(id);
  await hub.client.terminateOrchestration(id, { why: "enough" });
  const state = await hub.end(id);
  expect(state.runtimeStatus).toBe(OrchestrationStatus.TERMINATED);
  expect(state.serializedOutput).toBe('{"why":"enough"}');
});

test("a suspended instance can be terminated", async () => {
  const id = await hub.client.scheduleNewOrchestration("works-after-event");
  await hub.started(id);
  await hub.client.suspendOrchestration(id);
  await hub.reaches(id, OrchestrationStatus.SUSPENDED);
  await hub.client.terminateOrchestration(id, "enough");
  expect((await hub.end(id)).runtimeStatus).toBe(OrchestrationStatus.TERMINATED);
});
