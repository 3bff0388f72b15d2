import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startStack, startTestApi } from "../helpers/stack.ts";

const QUICK = { pollMinMs: 20, pollMaxMs: 50 };
const ENDED = instance({
  status: "COMPLETED",
  output: '"done"',
  lastUpdatedAtMs: 1_700_000_009_000,
});

/** An API on a scheduler whose reads the test answers one by one. */
async function startHeld(overrides = {}) {
  const scheduler = await ScriptedScheduler.startHeld();
  const api = await startTestApi(scheduler.address, { ...QUICK, ...overrides });
  return { scheduler, events: new URL("/api/operations/op/events", api.url), api };
}

/** An API on a scheduler that answers from what is stored. */
async function startStored(overrides = {}) {
  const scheduler = await ScriptedScheduler.start([instance()]);
  const api = await startTestApi(scheduler.address, { ...QUICK, ...overrides });
  return { scheduler, events: new URL("/api/operations/op/events", api.url), api };
}

test("follows a real operation from its snapshot through rising steps to bye terminal", async () => {
  const stack = await startStack(QUICK);
  const id = await stack.startOperation({ processing_time: 1, steps: 4 });
  const client = await SseClient.connect(new URL(`/api/operations/${id}/events`, stack.url));
  expect(client.response.headers).toMatchObject({
    "content-type": "text/event-stream",
    "cache-control": "no-cache, no-store, no-transform",
    "x-accel-buffering": "no",
  });
  const events = await client.untilBye();
  expect(client.retries[0]).toBeGreaterThan(0);
  expect(events[0]?.event).toBe("snapshot");
  const states = events.slice(0, -1).map(({ data }) => data.operation);
  const percents = states.flatMap(({ custom_status }) => custom_status?.percent ?? []);
  expect(percents).toEqual([25, 50, 75, 100]);
  expect(states.at(-1)).toMatchObject({
    status: "Completed",
    result: {
      operation_id: id,
      status: "completed",
      result: `Operation ${id} completed successfully`,
    },
  });
  expect(events.at(-1)).toMatchObject({
    event: "bye",
    id: states.at(-1).cursor,
    data: { type: "bye", reason: "terminal", reconnect: false },
  });
  expect(await client.ended()).toBe("ended");
});

test("a change between the snapshot and later events is delivered (C5)", async () => {
  const { scheduler, events } = await startHeld();
  const opening = SseClient.connect(events);
  const first = await scheduler.heldReads.take("the first read");
  first.answer({ customStatus: "1" });
  const client = await opening;
  expect((await client.nextState()).data.operation.custom_status).toBe(1);
  const second = await scheduler.heldReads.take("the next read");
  // Another subscriber comes while the read is out that will bring the transition.
  const lateOpening = SseClient.connect(events);
  await openedStreams(events, 2);
  second.answer({ customStatus: "2", lastUpdatedAtMs: 1_700_000_002_000 });
  expect((await client.nextState()).data).toMatchObject({
    type: "update",
    changed: ["custom_status"],
    operation: { custom_status: 2 },
  });
  // It may have been shown the state before; what came while it subscribed is not lost on it.
  const late = await lateOpening;
  const seen = [(await late.nextState()).data];
  if (seen[0].operation.custom_status === 1) seen.push((await late.nextState()).data);
  expect(seen[0].type).toBe("snapshot");
  expect(seen.at(-1).operation.custom_status).toBe(2);
});

test("a subscription that begins during the first read gets its outcome and what follows (C5)", async () => {
  const { scheduler, events } = await startHeld();
  const openings = [SseClient.connect(events), SseClient.connect(events)];
  const first = await scheduler.heldReads.take("the first read");
  first.answer({ customStatus: "1" });
  for (const client of await Promise.all(openings)) {
    expect((await client.nextState()).data.operation.custom_status).toBe(1);
  }
});

test("no earlier state is sent, and none twice in a row (C2)", async () => {
  const { scheduler, events } = await startHeld();
  const opening = SseClient.connect(events);
  const answers = [
    { customStatus: "2", lastUpdatedAtMs: 1_700_000_002_000 },
    { customStatus: "1", lastUpdatedAtMs: 1_700_000_001_000 },
    { customStatus: "2", lastUpdatedAtMs: 1_700_000_003_000 },
    { customStatus: "3", lastUpdatedAtMs: 1_700_000_004_000 },
    { customStatus: "3", status: "PENDING" as const, lastUpdatedAtMs: 1_700_000_005_000 },
    { customStatus: "3", lastUpdatedAtMs: 1_700_000_006_000 },
    ENDED,
  ];
  for (const answer of answers) (await scheduler.heldReads.take("a read")).answer(answer);
  const seen = (await (await opening).untilBye()).slice(0, -1).map(({ data }) => data.operation);
  expect(seen.map(({ status, custom_status }) => [status, custom_status])).toEqual([
    ["RUNNING", 2],
    ["RUNNING", 3],
    ["Completed", undefined],
  ]);
});

test("the terminal state is sent once to every subscriber, before bye (C3)", async () => {
  const { scheduler, events } = await startStored();
  const clients = await Promise.all(Array.from({ length: 20 }, () => SseClient.connect(events)));
  for (const client of clients) expect((await client.nextState()).event).toBe("snapshot");
  scheduler.set("op", ENDED);
  for (const client of clients) {
    const rest = await client.untilBye();
    expect(rest.map(({ event }) => event)).toEqual(["update", "bye"]);
    expect(rest[0]?.data.operation).toMatchObject({ status: "Completed", result: "done" });
  }
});

test("after a reconnect with the last cursor nothing is sent while nothing changed (C4)", async () => {
  const { scheduler, events, api } = await startStored();
  const first = await SseClient.connect(events);
  const { id = "" } = await first.nextState();
  first.destroy();
  const replica = await startTestApi(api.config.target.address, QUICK);
  for (const url of [events, new URL(events.pathname, replica.url)]) {
    const again = await SseClient.connect(url, { "last-event-id": id });
    const byQuery = await SseClient.connect(new URL(`?after=${id}`, url));
    scheduler.set("op", instance({ customStatus: '"new"', lastUpdatedAtMs: Date.now() }));
    for (const client of [again, byQuery]) {
      const { event, data } = await client.nextState();
      expect([event, data.operation.custom_status]).toEqual(["snapshot", "new"]);
    }
    scheduler.set("op", instance());
  }
});

test("the header's cursor takes precedence over the query's, and an unreadable one is ignored (C4)", async () => {
  const { events } = await startStored();
  const first = await SseClient.connect(events);
  const { id = "" } = await first.nextState();
  const url = new URL(`?after=${id}`, events);
  const client = await SseClient.connect(url, { "last-event-id": "not-a-cursor" });
  expect((await client.nextState()).event).toBe("snapshot");
});

test("the terminal cursor gets 204, and a fresh request the snapshot and bye (C4)", async () => {
  const { scheduler, events } = await startStored();
  scheduler.set("op", ENDED);
  const client = await SseClient.connect(events);
  const [snapshot, bye] = await client.untilBye();
  expect([snapshot?.event, bye?.data.reason]).toEqual(["snapshot", "terminal"]);
  const response = await fetch(events, { headers: { "last-event-id": bye?.id ?? "" } });
  expect([response.status, await response.text()]).toEqual([204, ""]);
});

test("an unknown id is 404 before the stream begins", async () => {
  const { events } = await startStored();
  const response = await fetch(new URL("/api/operations/nobody/events", events));
  expect(response.status).toBe(404);
  expect(response.headers.get("content-type")).toContain("application/problem+json");
});

test("an operation purged while it is watched ends with bye gone", async () => {
  const { scheduler, events } = await startStored();
  const client = await SseClient.connect(events);
  await client.nextState();
  scheduler.purge("op");
  expect((await client.untilBye()).map(({ data }) => data)).toMatchObject([
    { type: "bye", reason: "gone", reconnect: false },
  ]);
  expect(await client.ended()).toBe("ended");
});

test("an outage ends no stream; one problem reports it, and reads continue (WATCH-4)", async () => {
  const { scheduler, events } = await startStored({ heartbeatMs: 100 });
  const client = await SseClient.connect(events);
  await client.nextState();
  scheduler.fault = { kind: "error", code: status.INTERNAL };
  const { event, data } = await client.nextState();
  expect([event, data.problem.type]).toEqual([
    "problem",
    "urn:dts-push:problem:scheduler-unavailable",
  ]);
  const reads = scheduler.countOf("getInstance");
  await eventually("more reads to fail", () => scheduler.countOf("getInstance") > reads + 3);
  const beats = [];
  while (beats.length < 2) {
    const beat = await client.next();
    expect(beat.event).toBe("heartbeat");
    beats.push(beat.data.as_of);
  }
  expect(beats[0]).toBe(beats[1]);
  scheduler.fault = { kind: "none" };
  scheduler.set("op", ENDED);
  expect((await client.untilBye()).map((each) => each.event)).toEqual(["update", "bye"]);
});

test("a stream opened during an outage gets a problem, then its snapshot", async () => {
  const { scheduler, events } = await startStored();
  scheduler.fault = { kind: "error", code: status.UNAVAILABLE };
  const client = await SseClient.connect(events);
  expect(client.status).toBe(200);
  expect((await client.nextState()).event).toBe("problem");
  scheduler.fault = { kind: "none" };
  expect((await client.nextState()).event).toBe("snapshot");
});

test("a heartbeat repeats the cursor and says how fresh it is", async () => {
  const { events } = await startStored({ heartbeatMs: 50 });
  const client = await SseClient.connect(events);
  const { id } = await client.nextState();
  const beat = await client.next("a heartbeat");
  expect(beat).toMatchObject({ event: "heartbeat", id, data: { type: "heartbeat" } });
  expect(Date.parse(beat.data.as_of)).toBeGreaterThan(Date.now() - 10_000);
  expect(beat.data).not.toHaveProperty("next_read_ms");
});

test("200 subscribers cause the same reads as one (WATCH-1)", async () => {
  const readsFor = async (subscribers: number): Promise<number> => {
    const { scheduler, events } = await startHeld();
    const openings = Array.from({ length: subscribers }, () => SseClient.connect(events));
    // Every subscriber is there before the scheduler says its first word.
    const first = await scheduler.heldReads.take("the first read");
    const { metrics } = await openedStreams(events, subscribers);
    first.answer({ customStatus: "0" });
    const clients = await Promise.all(openings);
    for (let step = 1; step <= 10; step += 1) {
      const read = await scheduler.heldReads.take("a read");
      read.answer({ customStatus: `${step}`, lastUpdatedAtMs: 1_700_000_001_000 + step });
    }
    (await scheduler.heldReads.take("the last read")).answer(ENDED);
    for (const client of clients) {
      const events = await client.untilBye();
      expect(events).toHaveLength(13);
    }
    expect(metrics).toBe(subscribers);
    return scheduler.countOf("getInstance");
  };
  expect(await readsFor(200)).toBe(await readsFor(1));
});

/** Waits until the API counts that many subscriptions. */
async function openedStreams(events: URL, wanted: number): Promise<{ metrics: number }> {
  return eventually(`${wanted} subscriptions`, async () => {
    const text = await (await fetch(new URL("/metrics", events))).text();
    const metrics = Number(/^dts_push_subscriptions (\d+)/m.exec(text)?.[1]);
    return metrics === wanted && { metrics };
  });
}
