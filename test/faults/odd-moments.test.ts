import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import type { Instance } from "../../src/dts/instance.ts";
import { cursorOf } from "../../src/streaming/operation/cursor.ts";
import { eventually } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { type ReceivedEvent, SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";

const QUICK = { pollMinMs: 20, pollMaxMs: 40, completionCalls: 0 };
const START_MS = 1_700_000_000_000;

/** An API on a scheduler whose reads of `op` the test answers one by one. */
async function startHeld(overrides = {}) {
  const scheduler = await ScriptedScheduler.startHeld();
  const { url } = await startTestApi(scheduler.address, { ...QUICK, ...overrides });
  const events = new URL("/api/operations/op/events", url);
  const answer = async (state: Partial<Instance> | undefined): Promise<void> =>
    (await scheduler.heldReads.take("a read")).answer(state);
  const fail = async (): Promise<void> =>
    (await scheduler.heldReads.take("a read")).fail(status.INTERNAL);
  return { scheduler, url, events, answer, fail };
}

/** An API on a scheduler that answers from what is stored. */
async function startStored(ids: readonly string[], overrides = {}) {
  const scheduler = await ScriptedScheduler.start(ids.map((id) => instance({ id })));
  const { url } = await startTestApi(scheduler.address, { ...QUICK, ...overrides });
  const several = new URL("/api/events", url);
  for (const id of ids) several.searchParams.append("operation_id", id);
  return { scheduler, url, several };
}

async function gauge(base: URL, name: string): Promise<number> {
  const text = await (await fetch(new URL("/metrics", base))).text();
  return Number(new RegExp(`^dts_push_${name} (\\d+)`, "m").exec(text)?.[1]);
}

test("a stream of several that is resumed and cut off during an outage keeps its position (C4)", async () => {
  const { scheduler, several } = await startStored(["a", "b"], { heartbeatMs: 100 });
  const first = await SseClient.connect(several);
  const known = [await first.nextState(), await first.nextState()];
  const later = await eventually("an id past both states", async () => {
    const { id } = await first.next();
    return id !== known.at(-1)?.id && id;
  });
  first.destroy();
  scheduler.fault = { kind: "error", code: status.INTERNAL };
  const second = await SseClient.connect(several, { "last-event-id": later });
  const problem = await second.nextState();
  expect(problem.event).toBe("problem");
  second.destroy();
  scheduler.fault = { kind: "none" };
  const third = await SseClient.connect(several, { "last-event-id": problem.id ?? "" });
  scheduler.set("b", instance({ id: "b", customStatus: "1", lastUpdatedAtMs: START_MS + 5000 }));
  const received: ReceivedEvent[] = [];
  do received.push(await third.nextState());
  while (received.at(-1)?.data.operation.custom_status !== 1);
  expect(received.map(({ data }) => data.operation.operation_id)).toEqual(["b"]);
});

test("a resumed stream of several keeps the position of one operation when another's first state is sent (C4)", async () => {
  const { scheduler, several } = await startStored(["a", "b", "c"], { heartbeatMs: 100 });
  const first = await SseClient.connect(several);
  for (let count = 0; count < 3; count += 1) await first.nextState();
  const { id: last = "" } = await first.next("a heartbeat");
  first.destroy();
  scheduler.set("b", instance({ id: "b", customStatus: "1", lastUpdatedAtMs: START_MS + 5000 }));
  const second = await SseClient.connect(several, { "last-event-id": last });
  const received = await second.nextState();
  expect(received.data.operation).toMatchObject({ operation_id: "b", custom_status: 1 });
  second.destroy();
  const third = await SseClient.connect(several, { "last-event-id": received.id ?? "" });
  scheduler.set("c", instance({ id: "c", customStatus: "2", lastUpdatedAtMs: START_MS + 6000 }));
  expect((await third.nextState()).data.operation).toMatchObject({
    operation_id: "c",
    custom_status: 2,
  });
});

test("a stale terminal state before the client's cursor does not end the reads (C3)", async () => {
  const { events, answer } = await startHeld();
  const failed = { status: "FAILED", lastUpdatedAtMs: START_MS + 2000 } as const;
  const rewound = { status: "RUNNING", lastUpdatedAtMs: START_MS + 3000 } as const;
  const opening = SseClient.connect(events);
  await answer(rewound);
  const client = await opening;
  const { id = "" } = await client.nextState();
  client.destroy();

  const other = await startHeld();
  const again = SseClient.connect(other.events, { "last-event-id": id });
  await other.answer(failed);
  await other.answer(rewound);
  await other.answer({ status: "COMPLETED", output: "1", lastUpdatedAtMs: START_MS + 4000 });
  const received = await (await again).untilBye();
  expect(received.map(({ event }) => event)).toEqual(["snapshot", "bye"]);
  expect(received[0]?.data.operation.status).toBe("Completed");
});

test("a continue-as-new is shown as RUNNING in each of its stored states", async () => {
  const { events, answer } = await startHeld();
  const opening = SseClient.connect(events);
  const step = (count: number) => ({
    customStatus: `${count}`,
    lastUpdatedAtMs: START_MS + 1000 * count,
  });
  await answer({ status: "RUNNING", ...step(1) });
  await answer({ status: "PENDING", ...step(1), lastUpdatedAtMs: START_MS + 1500 });
  await answer({ status: "PENDING", ...step(2) });
  await answer({ status: "PENDING", ...step(3) });
  await answer({ status: "COMPLETED", ...step(4) });
  const received = (await (await opening).untilBye()).slice(0, -1);
  expect(received.map(({ data }) => [data.operation.status, data.operation.custom_status])).toEqual(
    [
      ["RUNNING", 1],
      ["RUNNING", 2],
      ["RUNNING", 3],
      ["Completed", 4],
    ],
  );
});

test("a client that subscribes during a continue-as-new gets RUNNING (C3)", async () => {
  const { url, events, answer, scheduler } = await startHeld();
  const opening = SseClient.connect(events);
  await answer({ status: "RUNNING", lastUpdatedAtMs: START_MS + 1000 });
  const client = await opening;
  await client.nextState();
  await answer({ status: "PENDING", lastUpdatedAtMs: START_MS + 2000 });
  await answer({ status: "PENDING", lastUpdatedAtMs: START_MS + 3000 });
  const read = await scheduler.heldReads.take("a read");
  // Its first state is the known one or, on a busy machine, that of the read.
  const late = SseClient.connect(events);
  await eventually("both to be subscribed", async () => (await gauge(url, "subscriptions")) === 2);
  read.answer({ status: "RUNNING", lastUpdatedAtMs: START_MS + 4000 });
  // One that came during that read gets the next one's.
  await answer({ status: "RUNNING", lastUpdatedAtMs: START_MS + 4000 });
  await answer({ status: "COMPLETED", lastUpdatedAtMs: START_MS + 5000 });
  const states = (await (await late).untilBye()).slice(0, -1);
  const shown = states.map(({ data }) => data.operation.status);
  expect(shown.slice(-2)).toEqual(["RUNNING", "Completed"]);
});

test("a continue-as-new in progress is RUNNING at every replica, and no state of its own (C1, C2)", async () => {
  const { scheduler, url, several } = await startStored(["op"]);
  const other = await startTestApi(scheduler.address, QUICK);
  const watching = await SseClient.connect(several);
  expect((await watching.nextState()).data.operation.status).toBe("RUNNING");
  const { lastUpdatedAtMs } = instance();
  const put = (state: Partial<Instance>, laterMs: number) =>
    scheduler.set(
      "op",
      instance({ id: "op", ...state, lastUpdatedAtMs: lastUpdatedAtMs + laterMs }),
    );
  put({ status: "PENDING", customStatus: "1" }, 1);
  const shown = await watching.nextState();
  expect(shown.data.operation).toMatchObject({ status: "RUNNING", custom_status: 1 });

  const poll = (base: URL, headers = {}) => fetch(new URL("/api/operations/op", base), { headers });
  const elsewhere = await poll(other.url);
  expect(await elsewhere.json()).toMatchObject({ status: "RUNNING", custom_status: 1 });
  put({ status: "RUNNING", customStatus: "1" }, 2);
  const tag = elsewhere.headers.get("etag") ?? "";
  expect((await poll(url, { "if-none-match": tag })).status).toBe(304);
  const resumed = await SseClient.connect(several, { "last-event-id": shown.id ?? "" });
  put({ status: "COMPLETED", customStatus: "1", output: "2" }, 3);
  for (const client of [watching, resumed]) {
    expect((await client.nextState()).data.operation.status).toBe("Completed");
  }
});

test("a client that another replica sent a state between two equal ones is sent the second (C5)", async () => {
  const { scheduler, url } = await startStored(["op"]);
  const events = new URL("/api/operations/op/events", url);
  const watching = await SseClient.connect(events);
  await watching.nextState();
  const present = instance();
  const between = { lastUpdatedAtMs: present.lastUpdatedAtMs + 1, customStatus: "1" };
  const { text } = cursorOf(instance({ id: "op", ...between }));
  const resumed = await SseClient.connect(events, { "last-event-id": text });
  const reads = scheduler.countOf("getInstance");
  await eventually("some reads", () => scheduler.countOf("getInstance") > reads + 3);
  scheduler.set("op", instance({ id: "op", lastUpdatedAtMs: present.lastUpdatedAtMs + 2 }));
  expect((await resumed.nextState()).data).toMatchObject({
    type: "snapshot",
    operation: { last_updated: new Date(present.lastUpdatedAtMs + 2).toISOString() },
  });
  expect(watching.waiting).toEqual([]);
});

test("a cursor from before a continue-as-new stays valid (C4)", async () => {
  const { events, answer } = await startHeld();
  const opening = SseClient.connect(events);
  await answer({ status: "RUNNING", lastUpdatedAtMs: START_MS + 1000 });
  const { id = "" } = await (await opening).nextState();

  const other = await startHeld();
  const again = SseClient.connect(other.events, { "last-event-id": id });
  await other.answer({ status: "PENDING", lastUpdatedAtMs: START_MS + 2000 });
  await other.answer({ status: "RUNNING", lastUpdatedAtMs: START_MS + 3000 });
  await other.answer({ status: "COMPLETED", lastUpdatedAtMs: START_MS + 4000 });
  const received = await (await again).untilBye();
  expect(received.map(({ data }) => data.operation?.status)).toEqual(["Completed", undefined]);
});

test("a second outage is reported again, however the first one ended (WATCH-4)", async () => {
  const { events, answer, fail } = await startHeld();
  const opening = SseClient.connect(events);
  await answer({});
  const client = await opening;
  await client.nextState();
  await fail();
  expect((await client.nextState()).event).toBe("problem");
  await answer(undefined);
  await answer({});
  await fail();
  expect((await client.nextState()).event).toBe("problem");
});

test("changed names created_at when an operation is restarted under its id", async () => {
  const { events, answer } = await startHeld();
  const opening = SseClient.connect(events);
  await answer({ createdAtMs: START_MS, lastUpdatedAtMs: START_MS });
  await answer({ createdAtMs: START_MS + 1000, lastUpdatedAtMs: START_MS + 1000 });
  const client = await opening;
  await client.nextState();
  expect((await client.nextState()).data.changed).toEqual(["created_at"]);
});

test("a client that is cut off while it subscribes leaves no subscription (WS-4)", async () => {
  const { url } = await startStored(["op"], { maxBufferedBytes: 1024 });
  const ids = Array.from({ length: 100 }, (_, index) => `operation_id=nobody-${index}`);
  // The answers to so many subscriptions are more than may be unsent at a time.
  const client = await WsClient.connect(url, `/api/ws?${ids.join("&")}`);
  expect((await client.closed()).code).toBe(4003);
  expect(await gauge(url, "subscriptions")).toBe(0);
  await eventually("no watcher", async () => (await gauge(url, "watched_operations")) === 0);
});

test("a change that a lagging read has missed is not lost on a resume by watermark (C4)", async () => {
  const scheduler = await ScriptedScheduler.start();
  const nowMs = Date.now();
  const at = (id: string, lastUpdatedAtMs: number, change: Partial<Instance> = {}) =>
    scheduler.set(id, instance({ id, createdAtMs: nowMs - 60_000, lastUpdatedAtMs, ...change }));
  at("a", nowMs - 30_000);
  at("b", nowMs - 30_000);
  const replicas = [
    await startTestApi(scheduler.address, { ...QUICK, heartbeatMs: 50 }),
    await startTestApi(scheduler.address, QUICK),
  ];
  const [one, two] = replicas.map(
    ({ url }) => new URL("/api/events?operation_id=a&operation_id=b", url),
  ) as [URL, URL];
  const client = await SseClient.connect(one);
  for (let count = 0; count < 2; count += 1) await client.nextState();
  // What happens to a is not seen yet by whatever answers the reads of a; what happens to b later is.
  scheduler.isStale = (id) => id === "a";
  at("a", nowMs - 200, { status: "COMPLETED", output: "1" });
  at("b", nowMs, { customStatus: "1" });
  expect((await client.nextState()).data.operation.operation_id).toBe("b");
  const reads = scheduler.readsOf("a");
  await eventually("a to be read again", () => scheduler.readsOf("a") > reads + 3);
  let last = (await client.next()).id;
  while (client.waiting.length > 0) last = (await client.next()).id;
  last = (await client.next("one more heartbeat")).id;
  client.destroy();
  scheduler.isStale = () => false;
  const resumed = await SseClient.connect(two, { "last-event-id": last ?? "" });
  expect((await resumed.nextState()).data.operation).toMatchObject({
    operation_id: "a",
    status: "Completed",
  });
});

test("a resume by watermark at a lagging replica shows no earlier state (C2)", async () => {
  const scheduler = await ScriptedScheduler.start();
  const nowMs = Date.now();
  const a = (customStatus: string, lastUpdatedAtMs: number) =>
    scheduler.set("a", instance({ id: "a", customStatus, createdAtMs: nowMs, lastUpdatedAtMs }));
  a("1", nowMs);
  const replicas = [
    await startTestApi(scheduler.address, QUICK),
    // It reads so seldom that what it knows is old by the time of the resume.
    await startTestApi(scheduler.address, { ...QUICK, pollMinMs: 20_000, pollMaxMs: 20_000 }),
  ];
  const [quick, lagging] = replicas.map(
    ({ url }) => new URL("/api/events?operation_id=a", url),
  ) as [URL, URL];
  const other = await SseClient.connect(lagging);
  await other.nextState();
  const client = await SseClient.connect(quick);
  await client.nextState();
  a("2", nowMs + 1);
  const { id = "" } = await client.nextState();
  client.destroy();
  const resumed = await SseClient.connect(lagging, { "last-event-id": id });
  // A request for the present state makes that replica read.
  const look = () => fetch(new URL("/api/operations/a", lagging));
  await look();
  expect((await other.nextState()).data.operation.custom_status).toBe(2);
  const end = { id: "a", status: "COMPLETED", createdAtMs: nowMs } as const;
  scheduler.set("a", instance({ ...end, lastUpdatedAtMs: nowMs + 2 }));
  await look();
  const received = await resumed.untilBye();
  expect(received.map(({ data }) => data.operation?.status)).toEqual(["Completed", undefined]);
});

test("a feed that is resumed at a lagging replica shows no earlier state (C2)", async () => {
  const scheduler = await ScriptedScheduler.start();
  const nowMs = Date.now();
  const a = (customStatus: string, lastUpdatedAtMs: number) =>
    scheduler.set("a", instance({ id: "a", customStatus, createdAtMs: nowMs, lastUpdatedAtMs }));
  a("1", nowMs);
  const replicas = [
    await startTestApi(scheduler.address, QUICK),
    await startTestApi(scheduler.address, { ...QUICK, pollMinMs: 20_000, pollMaxMs: 20_000 }),
  ];
  const [quick, lagging] = replicas.map(({ url }) => new URL("/api/events", url)) as [URL, URL];
  const other = await SseClient.connect(lagging);
  await other.nextState();
  const client = await SseClient.connect(quick);
  await client.nextState();
  a("2", nowMs + 1);
  const { id = "" } = await client.nextState();
  client.destroy();
  const resumed = await SseClient.connect(lagging, { "last-event-id": id });
  expect((await other.nextState()).data.operation.custom_status).toBe(2);
  expect((await resumed.next("its first word")).event).toBe("heartbeat");
  a("3", nowMs + 2);
  // A client that returns makes the feed read, for all its subscribers.
  await SseClient.connect(lagging, { "last-event-id": id });
  const { event, data } = await resumed.nextState();
  expect([event, data.operation.custom_status]).toEqual(["update", 3]);
});
