import {
  EntityInstanceId,
  type LockHandle,
  type OrchestrationContext,
  OrchestrationStatus,
  TaskEntity,
} from "@microsoft/durabletask-js";
import { expect, test } from "vitest";
import { useTaskHub } from "./support/task-hub.ts";

type Steps = AsyncGenerator<unknown, unknown, unknown>;

class Counter extends TaskEntity<{ count: number }> {
  add(amount: number): number {
    this.state.count += amount;
    return this.state.count;
  }
  get(): number {
    return this.state.count;
  }
  fail(): never {
    this.state.count += 1000; // rolled back
    throw new Error("the counter refuses");
  }
  passOn({ to, amount }: { to: string; amount: number }): void {
    this.context?.signalEntity(new EntityInstanceId("counter", to), "add", amount);
  }
  startOrchestration(id: string): void {
    this.context?.scheduleNewOrchestration("echo", "from an entity", { instanceId: id });
  }
  protected override initializeState(): { count: number } {
    return { count: 0 };
  }
}

const hub = useTaskHub((worker) => {
  worker.addNamedEntity("counter", () => new Counter());
  worker.addNamedOrchestrator("echo", async (_: OrchestrationContext, input: unknown) => input);
  worker.addNamedOrchestrator(
    "call",
    async function* (ctx: OrchestrationContext, key: string): Steps {
      const id = new EntityInstanceId("counter", key);
      ctx.entities.signalEntity(id, "add", 1);
      yield ctx.entities.callEntity(id, "add", 2);
      return yield ctx.entities.callEntity(id, "get");
    },
  );
  worker.addNamedOrchestrator(
    "call-failing",
    async function* (ctx: OrchestrationContext, key: string): Steps {
      const id = new EntityInstanceId("counter", key);
      let message = "";
      try {
        yield ctx.entities.callEntity(id, "fail");
      } catch (error) {
        message = (error as Error).message;
      }
      return [message, yield ctx.entities.callEntity(id, "get")];
    },
  );
  worker.addNamedOrchestrator(
    "transfer",
    async function* (ctx: OrchestrationContext, [from, to]: [string, string]): Steps {
      const a = new EntityInstanceId("counter", from);
      const b = new EntityInstanceId("counter", to);
      const lock = (yield ctx.entities.lockEntities(a, b)) as LockHandle;
      const before = (yield ctx.entities.callEntity(a, "get")) as number;
      yield ctx.createTimer(0.05); // without the lock, other orchestrations would interleave here
      yield ctx.entities.callEntity(a, "add", -1);
      yield ctx.entities.callEntity(b, "add", 1);
      const after = (yield ctx.entities.callEntity(a, "get")) as number;
      lock.release();
      return before - after;
    },
  );
  worker.addNamedOrchestrator(
    "hold",
    async function* (ctx: OrchestrationContext, key: string): Steps {
      const lock = (yield ctx.entities.lockEntities(
        new EntityInstanceId("counter", key),
      )) as LockHandle;
      ctx.setCustomStatus("holding");
      yield ctx.waitForExternalEvent("go");
      lock.release();
      return "released";
    },
  );
});

/** Waits until an entity's state satisfies the condition; signals have no answer. */
async function entityWith(key: string, wanted: (count: number | undefined) => boolean) {
  const end = Date.now() + 15_000;
  for (;;) {
    const entity = await hub.client.getEntity<{ count: number }>(
      new EntityInstanceId("counter", key),
    );
    const count = entity?.includesState ? entity.state?.count : undefined;
    if (wanted(count)) return entity;
    if (Date.now() > end) throw new Error(`counter ${key} stayed at ${count}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("signals are handled in order, and the state can be read", async () => {
  const key = hub.id("signals");
  for (let n = 1; n <= 20; n += 1) {
    await hub.client.signalEntity(new EntityInstanceId("counter", key), "add", n);
  }
  const entity = await entityWith(key, (count) => count === 210);
  expect(entity?.id.toString()).toBe(`@counter@${key}`);
  expect(entity?.lockedBy).toBeUndefined();
});

test("an entity that was never signaled does not exist", async () => {
  expect(
    await hub.client.getEntity(new EntityInstanceId("counter", hub.id("nobody"))),
  ).toBeUndefined();
});

test("an orchestration calls an entity and gets its answers, after its own signals", async () => {
  expect((await hub.run("call", hub.id("call"))).serializedOutput).toBe("3");
});

test("an operation that fails reports the failure to its caller and changes nothing", async () => {
  const state = await hub.run("call-failing", hub.id("failing"));
  const [message, count] = JSON.parse(state.serializedOutput ?? "") as [string, number];
  expect(message).toContain("the counter refuses");
  expect(count).toBe(0);
});

test("an entity signals another and starts an orchestration", async () => {
  const [from, to, started] = [hub.id("from"), hub.id("to"), hub.id("started")];
  const id = new EntityInstanceId("counter", from);
  await hub.client.signalEntity(id, "passOn", { to, amount: 7 });
  await entityWith(to, (count) => count === 7);
  await hub.client.signalEntity(id, "startOrchestration", started);
  await hub.until(started, "there", () => true);
  expect((await hub.end(started)).serializedOutput).toBe('"from an entity"');
});

test("a scheduled signal is delivered at its time", async () => {
  const key = hub.id("scheduled");
  const id = new EntityInstanceId("counter", key);
  const signalTime = new Date(Date.now() + 600);
  await hub.client.signalEntity(id, "add", 5, { signalTime });
  expect(await hub.client.getEntity(id)).toBeUndefined();
  const entity = await entityWith(key, (count) => count === 5);
  expect(entity?.lastModifiedTime.getTime()).toBeGreaterThanOrEqual(signalTime.getTime());
});

test("only the lock holder changes locked entities, whatever the order of the set (ENTITY-2, ENTITY-3)", async () => {
  const [a, b] = [hub.id("a"), hub.id("b")];
  const states = await Promise.all(
    Array.from({ length: 10 }, (_, n) => hub.run("transfer", n % 2 === 0 ? [a, b] : [b, a])),
  );
  expect(states.map(({ serializedOutput }) => serializedOutput)).toEqual(Array(10).fill("1"));
  await entityWith(a, (count) => count === 0);
});

test("a locked entity shows its holder and handles other signals after the release", async () => {
  const key = hub.id("held");
  const id = new EntityInstanceId("counter", key);
  await hub.client.signalEntity(id, "add", 1);
  await entityWith(key, (count) => count === 1);
  const holder = await hub.client.scheduleNewOrchestration("hold", key);
  await hub.until(holder, "holding", (state) => state.serializedCustomStatus === '"holding"');
  expect((await hub.client.getEntity(id))?.lockedBy).toBe(holder);
  await hub.client.signalEntity(id, "add", 10);
  await hub.client.raiseOrchestrationEvent(holder, "go", null);
  expect((await hub.end(holder)).serializedOutput).toBe('"released"');
  await entityWith(key, (count) => count === 11);
  expect((await hub.client.getEntity(id))?.lockedBy).toBeUndefined();
});

test("a terminated orchestration releases its locks (ENTITY-4)", async () => {
  const key = hub.id("dead-holder");
  const holder = await hub.client.scheduleNewOrchestration("hold", key);
  await hub.until(holder, "holding", (state) => state.serializedCustomStatus === '"holding"');
  const next = await hub.client.scheduleNewOrchestration("hold", key);
  await hub.client.terminateOrchestration(holder, null);
  expect((await hub.end(holder)).runtimeStatus).toBe(OrchestrationStatus.TERMINATED);
  await hub.until(next, "holding", (state) => state.serializedCustomStatus === '"holding"');
  await hub.client.raiseOrchestrationEvent(next, "go", null);
  await hub.end(next);
});

test("a deleted entity does not exist", async () => {
  const key = hub.id("deleted");
  const id = new EntityInstanceId("counter", key);
  await hub.client.signalEntity(id, "add", 1);
  await entityWith(key, (count) => count === 1);
  await hub.client.signalEntity(id, "delete");
  await entityWith(key, (count) => count === undefined);
});

test("entities are listed by prefix, in pages, with and without their state", async () => {
  const prefix = hub.id("list");
  for (let n = 0; n < 5; n += 1) {
    await hub.client.signalEntity(new EntityInstanceId("counter", `${prefix}-${n}`), "add", n + 1);
    await entityWith(`${prefix}-${n}`, (count) => count === n + 1);
  }
  const query = { instanceIdStartsWith: `counter@${prefix}`, pageSize: 2 };
  const counts: unknown[] = [];
  for await (const entity of hub.client.getEntities<{ count: number }>(query)) {
    counts.push(entity.state?.count);
  }
  expect(counts).toEqual([1, 2, 3, 4, 5]);
  for await (const entity of hub.client.getEntities({ ...query, includeState: false })) {
    expect(entity.includesState).toBe(false);
  }
});

test("an entity id over 100 characters is refused", async () => {
  const id = new EntityInstanceId("counter", "x".repeat(100));
  await expect(hub.client.signalEntity(id, "add", 1)).rejects.toMatchObject({ code: 3 });
});

test("cleaning finds nothing to clean", async () => {
  const result = await hub.client.cleanEntityStorage();
  expect(result.emptyEntitiesRemoved).toBe(0);
  expect(result.orphanedLocksReleased).toBe(0);
});
