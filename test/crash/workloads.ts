/** The orchestrations that run while processes are killed, and their expected results. */
import {
  EntityInstanceId,
  type LockHandle,
  type OrchestrationContext,
  RetryPolicy,
  TaskEntity,
  type TaskHubGrpcWorker,
  whenAll,
} from "@microsoft/durabletask-js";

type Steps = AsyncGenerator<unknown, unknown, unknown>;

export interface Workload {
  readonly name: string;
  /** Number of steps, children, events or rounds. */
  readonly size: number;
  readonly result: unknown;
}

/** The kinds of orchestrations, with the expected result of a run of that size. */
const RESULTS: Record<string, (size: number) => unknown> = {
  chain: (size) => size,
  "fan-out": (size) => (size * (size - 1)) / 2,
  timers: (size) => size,
  collector: (size) => Array.from({ length: size }, (_, n) => n),
  "sender-and-collector": (size) => Array.from({ length: size }, (_, n) => n),
  parent: (size) => Array.from({ length: size }, (_, n) => n * n),
  rounds: (size) => size,
  stubborn: (size) => size,
  counter: (size) => Array.from({ length: size }, (_, n) => n + 1),
  locked: (size) => size,
};

export const KINDS = Object.keys(RESULTS);

export function workload(name: string, size: number): Workload {
  return { name, size, result: RESULTS[name]?.(size) };
}

class Counter extends TaskEntity<{ count: number }> {
  add(amount: number): number {
    this.state.count += amount;
    return this.state.count;
  }
  protected override initializeState(): { count: number } {
    return { count: 0 };
  }
}

export function register(worker: TaskHubGrpcWorker): void {
  worker.addNamedEntity("counter", () => new Counter());
  // Each operation must change the state exactly once.
  worker.addNamedOrchestrator(
    "counter",
    async function* (ctx: OrchestrationContext, size: number): Steps {
      const id = new EntityInstanceId("counter", ctx.instanceId);
      const seen: unknown[] = [];
      for (let n = 0; n < size; n += 1) seen.push(yield ctx.entities.callEntity(id, "add", 1));
      return seen;
    },
  );
  // All instances of this kind share two entities. The lock excludes the others.
  worker.addNamedOrchestrator(
    "locked",
    async function* (ctx: OrchestrationContext, size: number): Steps {
      const [a, b] = ["shared-a", "shared-b"].map((key) => new EntityInstanceId("counter", key));
      if (!a || !b) return undefined;
      const lock = (yield ctx.entities.lockEntities(b, a)) as LockHandle;
      const before = (yield ctx.entities.callEntity(a, "add", 0)) as number;
      let after = before;
      for (let n = 0; n < size; n += 1) {
        after = (yield ctx.entities.callEntity(a, "add", 1)) as number;
        yield ctx.entities.callEntity(b, "add", 1);
      }
      lock.release();
      return after - before;
    },
  );
  worker.addNamedActivity("increment", (_, n: number) => n + 1);
  worker.addNamedActivity("echo", (_, n: number) => n);
  worker.addNamedActivity("unreliable", (_, n: number) => {
    if (Math.random() < 0.5) throw new Error("not this time");
    return n + 1;
  });
  worker.addNamedOrchestrator(
    "chain",
    async function* (ctx: OrchestrationContext, size: number): Steps {
      let n = 0;
      while (n < size) n = (yield ctx.callActivity("increment", n)) as number;
      return n;
    },
  );
  worker.addNamedOrchestrator(
    "fan-out",
    async function* (ctx: OrchestrationContext, size: number): Steps {
      const tasks = Array.from({ length: size }, (_, n) =>
        ctx.callActivity<number, number>("echo", n),
      );
      return ((yield whenAll(tasks)) as number[]).reduce((sum, n) => sum + n, 0);
    },
  );
  worker.addNamedOrchestrator(
    "timers",
    async function* (ctx: OrchestrationContext, size: number): Steps {
      for (let n = 0; n < size; n += 1) yield ctx.createTimer(0.05);
      return size;
    },
  );
  // The client repeats a call that failed, which may have succeeded nevertheless, so numbers that
  // were received before are ignored.
  worker.addNamedOrchestrator(
    "collector",
    async function* (ctx: OrchestrationContext, size: number): Steps {
      const seen = new Set<number>();
      while (seen.size < size) seen.add((yield ctx.waitForExternalEvent("number")) as number);
      return [...seen].sort((a, b) => a - b);
    },
  );
  // One orchestration sends to another, and that must happen exactly once and in order.
  worker.addNamedOrchestrator(
    "exact-collector",
    async function* (ctx: OrchestrationContext, size: number): Steps {
      const got: unknown[] = [];
      while (got.length < size) got.push(yield ctx.waitForExternalEvent("number"));
      return got;
    },
  );
  worker.addNamedOrchestrator(
    "sender-and-collector",
    async function* (ctx: OrchestrationContext, size: number): Steps {
      const instanceId = `${ctx.instanceId}-collector`;
      const collector = ctx.callSubOrchestrator("exact-collector", size, { instanceId });
      yield ctx.createTimer(0.01); // the collector exists once this turn is stored
      for (let n = 0; n < size; n += 1) {
        ctx.sendEvent(instanceId, "number", n);
        yield ctx.callActivity("increment", n);
      }
      return yield collector;
    },
  );
  worker.addNamedOrchestrator(
    "square",
    async function* (ctx: OrchestrationContext, n: number): Steps {
      return ((yield ctx.callActivity("echo", n)) as number) * n;
    },
  );
  worker.addNamedOrchestrator(
    "parent",
    async function* (ctx: OrchestrationContext, size: number): Steps {
      return yield whenAll(
        Array.from({ length: size }, (_, n) =>
          ctx.callSubOrchestrator<number, number>("square", n),
        ),
      );
    },
  );
  worker.addNamedOrchestrator(
    "rounds",
    async function* (ctx: OrchestrationContext, input: number | [number, number]): Steps {
      const [n, size] = Array.isArray(input) ? input : [0, input];
      const next = (yield ctx.callActivity("increment", n)) as number;
      if (next === size) return next;
      ctx.continueAsNew([next, size], true);
      return undefined;
    },
  );
  worker.addNamedOrchestrator(
    "stubborn",
    async function* (ctx: OrchestrationContext, size: number): Steps {
      const retry = new RetryPolicy({
        maxNumberOfAttempts: 40,
        firstRetryIntervalInMilliseconds: 10,
        backoffCoefficient: 1,
      });
      let n = 0;
      while (n < size) n = (yield ctx.callActivity("unreliable", n, { retry })) as number;
      return n;
    },
  );
}
