import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { unrestricted } from "../../src/access.ts";
import { cursorOf, cursorResume } from "../../src/streaming/operation/cursor.ts";
import { InMemoryScheduler } from "../helpers/scheduler/in-memory-scheduler.ts";
import { streamingOn } from "./support/streaming-on.ts";

/* What watchers do with the states that reads return, under a clock that the test owns. */

const HOUR_MS = 3_600_000;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

function start() {
  const scheduler = new InMemoryScheduler();
  return { scheduler, ...streamingOn(scheduler) };
}

test("a state that one read returns and the next does not is dropped, however early it is (C2)", async () => {
  const { scheduler, close, watch, receivedBy } = start();
  scheduler.set("op", { customStatus: '"2"' });
  watch("op");
  await pass(100);
  const present = scheduler.states.get("op");
  for (let count = 0; count < 40; count += 1) {
    scheduler.set("op", { customStatus: '"1"', lastUpdatedAtMs: Date.now() - HOUR_MS });
    await pass(1000);
    if (present) scheduler.states.set("op", present);
    await pass(300);
  }
  expect(receivedBy("op")).toEqual(['snapshot RUNNING "2"']);
  close();
});

test("a state that reads keep returning is accepted after seconds, whatever its date (WATCH-3)", async () => {
  const { scheduler, close, watch, receivedBy } = start();
  scheduler.set("op");
  watch("op");
  await pass(100);
  scheduler.set("op", { status: "COMPLETED", lastUpdatedAtMs: Date.now() - HOUR_MS });
  await pass(2500);
  expect(receivedBy("op")).toEqual(["snapshot RUNNING -"]);
  await pass(3000);
  expect(receivedBy("op").slice(1)).toEqual(["update Completed -", "end terminal"]);
  close();
});

test("a client with a cursor from before the scheduler's clock was set back gets the present state", async () => {
  const { scheduler, watches, close, subscriber, receivedBy } = start();
  scheduler.set("op", { customStatus: '"later"', lastUpdatedAtMs: Date.now() + HOUR_MS });
  const ahead = cursorOf(scheduler.states.get("op") as never);
  scheduler.set("op", { status: "COMPLETED", customStatus: undefined });
  watches.subscribe("op", subscriber, cursorResume(ahead), { access: unrestricted("test") });
  await pass(1000);
  expect(receivedBy("op")).toEqual([]);
  await pass(8000);
  expect(receivedBy("op")).toEqual(["snapshot Completed -", "end terminal"]);
  close();
});

test("as_of is the time at which the read was sent, and unknown until a state is settled", async () => {
  const { scheduler, watches, close, watch } = start();
  scheduler.set("op");
  scheduler.readMs = 100;
  const startMs = Date.now();
  const subscription = watch("op");
  expect(watches.asOfMs([subscription])).toBeUndefined();
  await pass(99);
  expect(watches.asOfMs([subscription])).toBeUndefined();
  await pass(1);
  expect(watches.asOfMs([subscription])).toBe(startMs);
  close();
});

test("as_of does not advance while a change is pending for a client that is not ready", async () => {
  const { scheduler, watches, close, subscriber } = start();
  const slow = { ...subscriber, ready: true };
  scheduler.set("op");
  const subscription = watches.subscribe("op", slow, undefined, { access: unrestricted("test") });
  await pass(2000);
  const before = watches.asOfMs([subscription]) as number;
  slow.ready = false;
  scheduler.set("op", { customStatus: "1" });
  await pass(5000);
  const pendingMs = watches.asOfMs([subscription]) as number;
  expect(pendingMs).toBeGreaterThanOrEqual(before);
  expect(pendingMs).toBeLessThanOrEqual(scheduler.states.get("op")?.lastUpdatedAtMs as number);
  slow.ready = true;
  subscription.flush();
  expect(watches.asOfMs([subscription])).toBeGreaterThan(pendingMs);
  close();
});

test("a subscription has no as_of during an outage that began before its first state", async () => {
  const { scheduler, watches, close, watch, receivedBy } = start();
  scheduler.getInstance = () => Promise.reject(new Error("silent"));
  const subscription = watch("op");
  await pass(60_000);
  expect(receivedBy("op")).toEqual(["outage"]);
  expect(watches.asOfMs([subscription])).toBeUndefined();
  close();
});

test("an unknown id that is found to be unknown after an outage ends as not found", async () => {
  const { scheduler, close, watch, receivedBy } = start();
  const read = scheduler.getInstance.bind(scheduler);
  scheduler.getInstance = () => Promise.reject(new Error("silent"));
  watch("nothing");
  await pass(10_000);
  scheduler.getInstance = read;
  await pass(10_000);
  expect(receivedBy("nothing")).toEqual(["outage", "end not-found"]);
  close();
});

test("a subscription that begins during a read that finds nothing gets a read of its own (C5)", async () => {
  const { scheduler, close, watch, receivedBy } = start();
  scheduler.readMs = 100;
  watch("nothing");
  await pass(50);
  watch("nothing"); // The first one stays subscribed until its stream closes.
  await pass(1000);
  expect(receivedBy("nothing")).toEqual(["end not-found", "end not-found"]);
  close();
});

test("first reads come before refreshes, and connections share them (READ-3, FAIR-1)", async () => {
  const scheduler = new InMemoryScheduler();
  scheduler.set("wanted");
  const { watches, close, subscriber, receivedBy } = streamingOn(scheduler);
  const flood = () => {
    for (let connection = 0; connection < 100; connection += 1) {
      const requester = { access: unrestricted("test") };
      for (let index = 0; index < 200; index += 1) {
        watches.subscribe(`unknown-${connection}-${index}`, subscriber, undefined, requester);
      }
    }
  };
  flood();
  await pass(1000);
  watches.subscribe("wanted", subscriber, undefined, { access: unrestricted("test") });
  await pass(500);
  expect(receivedBy("wanted")).toEqual(["snapshot RUNNING -"]);
  close();
});

test("ids that were not found lately are read after all others (READ-4)", async () => {
  const scheduler = new InMemoryScheduler();
  for (let index = 0; index < 100; index += 1) scheduler.set(`op-${index}`);
  const { watches, close, subscriber } = streamingOn(scheduler, { pollReadsPerSecond: 100 });
  const attacker = { access: unrestricted("one") };
  const ask = () =>
    Array.from({ length: 50 }, (_, index) =>
      watches.read(`nothing-${index}`, attacker).catch(() => 0),
    );
  await Promise.all([...ask(), pass(2000)]);
  scheduler.reads = [];
  const again = ask();
  for (let index = 0; index < 100; index += 1) {
    watches.subscribe(`op-${index}`, subscriber, undefined, { access: unrestricted("two") });
  }
  await pass(500);
  const unknown = scheduler.reads.filter((id) => id.startsWith("nothing")).length;
  expect(scheduler.reads.length).toBeGreaterThan(40);
  expect(unknown).toBeLessThanOrEqual(scheduler.reads.length / 5);
  await Promise.all([...again, pass(20_000)]);
  close();
});

test("with more watched operations than the budget allows for, all are read equally often", async () => {
  const scheduler = new InMemoryScheduler();
  const { close, watch } = streamingOn(scheduler, {
    pollReadsPerSecond: 100,
    pollPageSize: 0,
    pollMaxMs: 250,
  });
  for (let index = 0; index < 500; index += 1) scheduler.set(`op-${index}`);
  for (const id of scheduler.states.keys()) watch(id);
  await pass(10_000);
  scheduler.reads = [];
  await pass(20_000);
  const counts = new Map<string, number>();
  for (const id of scheduler.reads) counts.set(id, (counts.get(id) ?? 0) + 1);
  expect(counts.size).toBe(500);
  expect(Math.max(...counts.values()) - Math.min(...counts.values())).toBeLessThanOrEqual(2);
  close();
});

test("beyond 20,000 first reads that wait a read fails at once, and one waits 30 s at most (READ-3)", async () => {
  const scheduler = new InMemoryScheduler();
  const { watches, close, subscriber, receivedBy } = streamingOn(scheduler, {
    pollReadsPerSecond: 1,
  });
  const requester = { access: unrestricted("test") };
  for (let index = 0; index < 20_001; index += 1) {
    watches.subscribe(`op-${index}`, subscriber, undefined, requester);
  }
  const beyond = watches.read("one-more", requester);
  await expect(beyond).rejects.toMatchObject({ slug: "scheduler-unavailable" });
  expect(receivedBy("op-19000")).toEqual([]);
  await pass(32_000);
  expect(receivedBy("op-19000")).toEqual(["outage"]);
  close();
});
