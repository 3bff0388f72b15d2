import { type OrchestrationContext, OrchestrationStatus } from "@microsoft/durabletask-js";
import { expect, test } from "vitest";
import { useTaskHub } from "./support/task-hub.ts";

type Steps = AsyncGenerator<unknown, unknown, unknown>;

const hub = useTaskHub((worker) => {
  worker.addNamedActivity("add", (_, n: number) => n + 1);
  worker.addNamedOrchestrator(
    "count",
    async function* (ctx: OrchestrationContext, n: number): Steps {
      const next = (yield ctx.callActivity("add", n)) as number;
      if (next >= 5) return next;
      ctx.continueAsNew(next, false);
      return undefined;
    },
  );
  worker.addNamedOrchestrator("child", async (ctx: OrchestrationContext) => ctx.instanceId);
  worker.addNamedOrchestrator(
    "a-child-each",
    async function* (ctx: OrchestrationContext, ids: string[]): Steps {
      const id = (yield ctx.callSubOrchestrator("child")) as string;
      if (ids.length === 2) return [...ids, id];
      ctx.continueAsNew([...ids, id], false);
      return undefined;
    },
  );
  worker.addNamedOrchestrator(
    "gather",
    async function* (ctx: OrchestrationContext, got: number[]): Steps {
      if (got.length === 10) return got;
      const event = (yield ctx.waitForExternalEvent("number")) as number;
      ctx.continueAsNew([...got, event], true);
      return undefined;
    },
  );
  worker.addNamedActivity("slow", async (_, gate: string) => gates.get(gate)?.promise);
  // An activity and a timer are left pending; the next generation uses the same task ids.
  worker.addNamedOrchestrator(
    "leaves-work",
    async function* (ctx: OrchestrationContext, round: number): Steps {
      if (round === 0) {
        ctx.callActivity("slow", ctx.instanceId);
        ctx.continueAsNew(1, false);
        return undefined;
      }
      return yield ctx.waitForExternalEvent("end");
    },
  );
  worker.addNamedOrchestrator(
    "rounds",
    async function* (ctx: OrchestrationContext, round: number): Steps {
      ctx.setCustomStatus(round);
      yield ctx.createTimer(0.02);
      if (round === 5) return "done";
      ctx.continueAsNew(round + 1, false);
      return undefined;
    },
  );
});

const gates = new Map<string, PromiseWithResolvers<string>>();

test("each generation starts with the input of continue-as-new", async () => {
  expect((await hub.run("count", 0)).serializedOutput).toBe("5");
});

test("children of different generations have different ids", async () => {
  const ids = JSON.parse((await hub.run("a-child-each", [])).serializedOutput ?? "") as string[];
  expect(new Set(ids).size).toBe(3);
});

test("events that were not consumed are carried over, in order", async () => {
  const id = await hub.client.scheduleNewOrchestration("gather", []);
  for (let n = 0; n < 10; n += 1) await hub.client.raiseOrchestrationEvent(id, "number", n);
  expect(JSON.parse((await hub.end(id)).serializedOutput ?? "")).toEqual([
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
  ]);
});

test("a late result of an earlier generation does not reach the new one", async () => {
  const id = hub.id("late");
  const gate = Promise.withResolvers<string>();
  gates.set(id, gate);
  await hub.client.scheduleNewOrchestration("leaves-work", 0, id);
  await hub.started(id);
  gate.resolve("late");
  await hub.client.raiseOrchestrationEvent(id, "end", "as it should");
  expect((await hub.end(id)).serializedOutput).toBe('"as it should"');
  const history = await hub.client.getOrchestrationHistory(id);
  expect(history.map(({ type }) => type)).not.toContain("TaskCompleted");
});

test("the instance keeps its creation time and is never PENDING again", async () => {
  const id = await hub.client.scheduleNewOrchestration("rounds", 0);
  await hub.started(id);
  const first = await hub.client.getOrchestrationState(id);
  const seen = new Set<OrchestrationStatus>();
  const last = await hub.until(id, "done", (state) => {
    seen.add(state.runtimeStatus);
    return state.runtimeStatus === OrchestrationStatus.COMPLETED;
  });
  expect(last.createdAt).toEqual(first?.createdAt);
  expect(last.serializedCustomStatus).toBe("5");
  if (!process.env.ENDPOINT) expect(seen).not.toContain(OrchestrationStatus.PENDING); // other schedulers pass through it
});
