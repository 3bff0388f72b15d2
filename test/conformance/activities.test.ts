import {
  type OrchestrationContext,
  OrchestrationStatus,
  RetryPolicy,
  whenAll,
} from "@microsoft/durabletask-js";
import { expect, test } from "vitest";
import { useTaskHub } from "./support/task-hub.ts";

type Steps = AsyncGenerator<unknown, unknown, unknown>;
const failures = new Map<string, number>();

const hub = useTaskHub((worker) => {
  worker.addNamedActivity("double", (_, n: number) => n * 2);
  worker.addNamedActivity("echo", (_, value: unknown) => value);
  worker.addNamedActivity("nothing", () => undefined);
  worker.addNamedActivity("fail", (_, message: string) => {
    throw new RangeError(message);
  });
  worker.addNamedActivity("fail-twice", (_, id: string) => {
    const count = (failures.get(id) ?? 0) + 1;
    failures.set(id, count);
    if (count <= 2) throw new Error(`failure ${count}`);
    return count;
  });
  worker.addNamedOrchestrator("no-steps", async (_: OrchestrationContext, input: unknown) => input);
  worker.addNamedOrchestrator(
    "chain",
    async function* (ctx: OrchestrationContext, steps: number): Steps {
      let value = 1;
      for (let step = 0; step < steps; step += 1)
        value = (yield ctx.callActivity("double", value)) as number;
      return value;
    },
  );
  worker.addNamedOrchestrator(
    "fan-out",
    async function* (ctx: OrchestrationContext, width: number): Steps {
      const tasks = Array.from({ length: width }, (_, n) => ctx.callActivity("double", n));
      const results = (yield whenAll(tasks)) as number[];
      return results.reduce((sum, n) => sum + n, 0);
    },
  );
  worker.addNamedOrchestrator(
    "pass",
    async function* (ctx: OrchestrationContext, value: unknown): Steps {
      return yield ctx.callActivity("echo", value);
    },
  );
  worker.addNamedOrchestrator("empty-result", async function* (ctx: OrchestrationContext): Steps {
    return (yield ctx.callActivity("nothing")) === undefined;
  });
  worker.addNamedOrchestrator("uncaught", async function* (ctx: OrchestrationContext): Steps {
    yield ctx.callActivity("fail", "out of reach");
    return undefined;
  });
  worker.addNamedOrchestrator("caught", async function* (ctx: OrchestrationContext): Steps {
    try {
      yield ctx.callActivity("fail", "out of reach");
    } catch (error) {
      return (error as Error).message;
    }
    return undefined;
  });
  worker.addNamedOrchestrator(
    "unknown-activity",
    async function* (ctx: OrchestrationContext): Steps {
      yield ctx.callActivity("nobody-has-this");
      return undefined;
    },
  );
  worker.addNamedOrchestrator("retried", async function* (ctx: OrchestrationContext): Steps {
    const retry = new RetryPolicy({ maxNumberOfAttempts: 4, firstRetryIntervalInMilliseconds: 20 });
    return yield ctx.callActivity("fail-twice", ctx.instanceId, { retry });
  });
  worker.addNamedOrchestrator(
    "retried-in-vain",
    async function* (ctx: OrchestrationContext): Steps {
      const retry = new RetryPolicy({
        maxNumberOfAttempts: 2,
        firstRetryIntervalInMilliseconds: 20,
      });
      yield ctx.callActivity("fail-twice", ctx.instanceId, { retry });
      return undefined;
    },
  );
  worker.addNamedOrchestrator("retry-handler", async function* (ctx: OrchestrationContext): Steps {
    const retry = async () => true;
    return yield ctx.callActivity("fail-twice", ctx.instanceId, { retry });
  });
  worker.addNamedOrchestrator("forgets", async (ctx: OrchestrationContext) => {
    ctx.callActivity("double", 1);
    return "did not wait";
  });
});

test("an orchestrator without steps completes with its input", async () => {
  const state = await hub.run("no-steps", { a: [1, "ä", null] });
  expect(state.runtimeStatus).toBe(OrchestrationStatus.COMPLETED);
  expect(JSON.parse(state.serializedOutput ?? "")).toEqual({ a: [1, "ä", null] });
});

test("a chain of activities passes results from one to the next", async () => {
  expect((await hub.run("chain", 10)).serializedOutput).toBe("1024");
});

test("a fan-out collects every result", async () => {
  expect((await hub.run("fan-out", 100)).serializedOutput).toBe("9900");
});

test.each([
  ["text"],
  [""],
  [0],
  [false],
  [null],
  ['\u0000 \u{1F680} \\ " é'],
  [{ deep: { list: [[]] } }],
])("an activity's input and result keep their value: %j", async (value) => {
  expect(JSON.parse((await hub.run("pass", value)).serializedOutput ?? "")).toEqual(value);
});

test("an activity without a result returns undefined", async () => {
  expect((await hub.run("empty-result")).serializedOutput).toBe("true");
});

test("an uncaught activity failure fails the instance, with the reason", async () => {
  const state = await hub.run("uncaught");
  expect(state.runtimeStatus).toBe(OrchestrationStatus.FAILED);
  expect(state.failureDetails?.message).toContain("out of reach");
});

test("a failed activity can be caught", async () => {
  expect((await hub.run("caught")).serializedOutput).toContain("out of reach");
});

test("an activity that no worker has registered fails", async () => {
  const state = await hub.run("unknown-activity");
  expect(state.runtimeStatus).toBe(OrchestrationStatus.FAILED);
  expect(state.failureDetails?.message).toContain("nobody-has-this");
});

test("an orchestration that no worker has registered fails", async () => {
  expect((await hub.run("nobody-has-this")).runtimeStatus).toBe(OrchestrationStatus.FAILED);
});

test("a retry policy retries until the activity succeeds", async () => {
  expect((await hub.run("retried")).serializedOutput).toBe("3");
});

test("a retry policy gives up after its last attempt", async () => {
  const state = await hub.run("retried-in-vain");
  expect(state.runtimeStatus).toBe(OrchestrationStatus.FAILED);
  expect(state.failureDetails?.message).toContain("failure 2");
});

test("a retry handler decides whether there is another attempt", async () => {
  expect((await hub.run("retry-handler")).serializedOutput).toBe("3");
});

test("an orchestration may end without waiting for its activities", async () => {
  expect((await hub.run("forgets")).serializedOutput).toBe('"did not wait"');
});
