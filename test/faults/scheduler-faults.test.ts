import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { type Fault, ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { type ReceivedEvent, SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";

const START_MS = 1_700_000_000_000;
const QUICK = { pollMinMs: 20, pollMaxMs: 60, heartbeatMs: 250, completionCalls: 0 };

async function startWatched(overrides = {}) {
  const scheduler = await ScriptedScheduler.start();
  scheduler.set("op", instance());
  const { url } = await startTestApi(scheduler.address, { ...QUICK, ...overrides });
  const client = await SseClient.connect(new URL("/api/operations/op/events", url));
  expect((await client.nextState()).event).toBe("snapshot");
  return { scheduler, client, url };
}

/** The events up to and with the next one of this type. */
async function until(client: SseClient, type: string): Promise<ReceivedEvent[]> {
  const events: ReceivedEvent[] = [];
  do events.push(await client.next(`an event of type ${type}`));
  while (events.at(-1)?.event !== type);
  return events;
}

const ended = instance({
  status: "COMPLETED",
  output: "1",
  lastUpdatedAtMs: START_MS + 9000,
});

const failing = (code: status): Fault => ({ kind: "error", code });
const faults: readonly [name: string, slug: string, fault: Fault][] = [
  ["answers nothing at all", "scheduler-unavailable", { kind: "held" }],
  ["fails with INTERNAL", "scheduler-unavailable", failing(status.INTERNAL)],
  ["is UNAVAILABLE", "scheduler-unavailable", failing(status.UNAVAILABLE)],
  ["throttles with RESOURCE_EXHAUSTED", "scheduler-throttled", failing(status.RESOURCE_EXHAUSTED)],
];

test.for(faults)(
  "while the scheduler %s a stream stays open, as_of ages, and one problem reports it (WATCH-4, C3)",
  async ([, slug, fault]) => {
    const { scheduler, client } = await startWatched();
    for (const change of ["1", undefined]) {
      scheduler.fault = fault;
      const before = await until(client, "problem");
      expect(before.at(-1)?.data.problem.type).toBe(`urn:dts-push:problem:${slug}`);
      const beats = [];
      while (beats.length < 3) beats.push(...(await until(client, "heartbeat")));
      expect(beats.map(({ event }) => event)).toEqual(["heartbeat", "heartbeat", "heartbeat"]);
      expect(new Set(beats.map(({ data }) => data.as_of)).size).toBe(1);
      scheduler.set(
        "op",
        change ? instance({ customStatus: change, lastUpdatedAtMs: START_MS + 5000 }) : ended,
      );
      scheduler.fault = { kind: "none" };
      expect((await client.nextState()).event).toBe("update");
    }
    expect((await client.nextState()).data.reason).toBe("terminal");
  },
);

test("a slow scheduler is not an outage", async () => {
  const { scheduler, client } = await startWatched();
  scheduler.fault = { kind: "slow", ms: 400 };
  for (const customStatus of ["1", "2", "3"]) {
    const lastUpdatedAtMs = START_MS + 1000 + Number(customStatus);
    scheduler.set("op", instance({ customStatus, lastUpdatedAtMs }));
    const { event, data } = await client.nextState();
    expect([event, data.operation.custom_status]).toEqual(["update", Number(customStatus)]);
  }
  scheduler.set("op", ended);
  expect((await client.untilBye()).map(({ event }) => event)).toEqual(["update", "bye"]);
});

test("a stream survives a scheduler that stops and starts again (C3)", async () => {
  const { scheduler, client } = await startWatched();
  scheduler.stop();
  expect((await client.nextState()).event).toBe("problem");
  scheduler.set("op", ended);
  await scheduler.restart();
  expect((await client.untilBye()).map(({ event }) => event)).toEqual(["update", "bye"]);
});

const OPERATIONS = 600;
const READS_PER_SECOND = 200;
/** BUDGET-1 for 100 ms; and up to 64 reads that were in flight may arrive late, and together. */
const MOST_IN_100_MS = READS_PER_SECOND * (0.1 + 0.1) + 64;

function mostWithin(windowMs: number, times: readonly number[]): number {
  let most = 0;
  let from = 0;
  times.forEach((atMs, at) => {
    while ((times[from] as number) < atMs - windowMs) from += 1;
    most = Math.max(most, at - from + 1);
  });
  return most;
}

test.for([
  ["INTERNAL", status.INTERNAL],
  ["UNAVAILABLE", status.UNAVAILABLE],
] as const)(
  "600 watched operations stay within the budget through an outage (%s), and all are read again (BUDGET-1)",
  async ([, code]) => {
    const scheduler = await ScriptedScheduler.start();
    const ids = Array.from({ length: OPERATIONS }, (_, index) => `op-${index}`);
    for (const id of ids) scheduler.set(id, instance({ id }));
    const { url } = await startTestApi(scheduler.address, {
      pollMinMs: 100,
      pollMaxMs: 1000,
      pollReadsPerSecond: READS_PER_SECOND,
      completionCalls: 0,
    });
    const clients: SseClient[] = [];
    for (let from = 0; from < OPERATIONS; from += 200) {
      const events = new URL("/api/events", url);
      for (const id of ids.slice(from, from + 200)) events.searchParams.append("operation_id", id);
      clients.push(await SseClient.connect(events));
    }
    const states = (client: SseClient) =>
      client.waiting.filter(({ event }) => event === "snapshot");
    await eventually("every operation to be known", () =>
      clients.every((client) => states(client).length === 200),
    );

    scheduler.fault = { kind: "error", code };
    const problems = (client: SseClient) =>
      client.waiting.filter(({ event }) => event === "problem").length;
    await eventually("each stream to get a problem", () =>
      clients.every((each) => problems(each) > 0),
    );
    const reads = scheduler.calls.length;
    await eventually("many reads to fail", () => scheduler.calls.length > reads + OPERATIONS);

    scheduler.fault = { kind: "none" };
    for (const id of ids) {
      scheduler.set(id, instance({ id, customStatus: "1", lastUpdatedAtMs: START_MS + 5000 }));
    }
    const updates = (client: SseClient) =>
      client.waiting.filter(({ event }) => event === "update").length;
    await eventually("every operation to be read again", () =>
      clients.every((client) => updates(client) === 200),
    );
    expect(clients.map(problems)).toEqual(clients.map(() => 1));
    const times = scheduler.calls.map(({ atMs }) => atMs);
    expect(mostWithin(100, times)).toBeLessThanOrEqual(MOST_IN_100_MS);
  },
);
