import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { InMemoryScheduler } from "../helpers/scheduler/in-memory-scheduler.ts";
import { streamingOn } from "./support/streaming-on.ts";

/* Hints of one operation, under a clock that the test owns. */

const HOUR_MS = 3_600_000;
const LONG_MS = 50_000;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

async function startWatched(options = {}) {
  const scheduler = new InMemoryScheduler();
  const streaming = streamingOn(scheduler, { pollMinMs: HOUR_MS, pollMaxMs: HOUR_MS, ...options });
  scheduler.set("op");
  streaming.watch("op");
  await pass(LONG_MS);
  scheduler.reads = [];
  /** Hints so far, by what they led to. */
  const hints = async (outcome: string) => {
    const { values } = await streaming.metrics.hints.get();
    return values.find(({ labels }) => labels.outcome === outcome)?.value ?? 0;
  };
  return { scheduler, hints, ...streaming };
}

test("a hint makes one read, which shows the change (WATCH-7)", async () => {
  const { scheduler, watches, hints, receivedBy, close } = await startWatched();
  scheduler.set("op", { customStatus: "1" });
  watches.hint(["op"]);
  expect(await hints("read")).toBe(1);
  await pass(LONG_MS);
  expect(scheduler.reads).toEqual(["op"]);
  expect(receivedBy("op")).toEqual(["snapshot RUNNING -", "update RUNNING 1"]);
  close();
});

test("a hint that comes before the scheduler shows the change is not lost (WATCH-6)", async () => {
  const { scheduler, watches, receivedBy, close } = await startWatched();
  watches.hint(["op"]);
  await pass(30);
  scheduler.set("op", { customStatus: "1" });
  await pass(LONG_MS);
  expect(receivedBy("op").at(-1)).toBe("update RUNNING 1");
  close();
});

test("a hint during a read that shows an earlier change is read for once more (WATCH-6)", async () => {
  const { scheduler, watches, receivedBy, close } = await startWatched();
  const read = scheduler.getInstance.bind(scheduler);
  const held = Promise.withResolvers<void>();
  scheduler.getInstance = async (id) => {
    const found = await read(id);
    await held.promise;
    return found;
  };
  scheduler.set("op", { customStatus: "1" });
  watches.hint(["op"]);
  await pass(10);
  scheduler.set("op", { customStatus: "2" });
  watches.hint(["op"]);
  scheduler.getInstance = read;
  held.resolve();
  await pass(LONG_MS);
  expect(receivedBy("op").slice(1)).toEqual(["update RUNNING 1", "update RUNNING 2"]);
  close();
});

test("a flood of hints has one read in flight, and one that follows (WATCH-1, WATCH-7)", async () => {
  const { scheduler, watches, hints, close } = await startWatched();
  const read = scheduler.getInstance.bind(scheduler);
  let [inFlight, most] = [0, 0];
  scheduler.getInstance = async (id) => {
    inFlight += 1;
    most = Math.max(most, inFlight);
    await new Promise((resolve) => setTimeout(resolve, 20));
    inFlight -= 1;
    return read(id);
  };
  for (let round = 0; round < 100; round += 1) {
    for (let index = 0; index < 1000; index += 1) watches.hint(["op"]);
    await pass(10);
  }
  await pass(LONG_MS);
  expect(most).toBe(1);
  expect(scheduler.reads.length).toBeLessThan(60);
  expect(await hints("merged")).toBeGreaterThan(99_000);
  close();
});

test("hints for operations that are not watched make no read", async () => {
  const { scheduler, watches, hints, close } = await startWatched();
  watches.hint(Array.from({ length: 1000 }, (_, index) => `forged-${index}`));
  expect(await hints("unwatched")).toBe(1000);
  await pass(LONG_MS);
  expect(scheduler.reads).toEqual([]);
  close();
});

test("with hints the interval has a longer minimum, until none has come for a minute (POLL-3)", async () => {
  const hinted = { pollMinMs: 250, pollMinHintedMs: 2000, pollMaxMs: 5000 };
  const { scheduler, watches, close } = await startWatched(hinted);
  /** Reads in 20 s of changes every 500 ms. */
  const readsWhileChanging = async (isHinted: boolean) => {
    scheduler.reads = [];
    for (let index = 0; index < 40; index += 1) {
      scheduler.set("op", { customStatus: String(Math.random()) });
      if (isHinted) watches.hint(["op"]);
      await pass(500);
    }
    return scheduler.reads.length;
  };
  const polled = await readsWhileChanging(false);
  expect(polled).toBeGreaterThan(50);
  expect(await readsWhileChanging(true)).toBe(40);
  expect(watches.intervalMs("op")).toBe(2000);
  await pass(61_000);
  scheduler.set("op", { customStatus: "unhinted" });
  await pass(6000);
  expect(watches.intervalMs("op")).toBeLessThan(2000);
  close();
});

/** An operation with hints that has changed again, without one. */
async function startUnhinted() {
  const hinted = { pollMinMs: 250, pollMinHintedMs: 2000, pollMaxMs: 5000 };
  const watched = await startWatched(hinted);
  const { scheduler, watches } = watched;
  scheduler.set("op", { customStatus: "1" });
  watches.hint(["op"]);
  await pass(100);
  scheduler.set("op", { customStatus: "2" });
  return watched;
}

test("a lost hint costs at most the longer interval, and ends it (POLL-3)", async () => {
  const { watches, receivedBy, metrics, close } = await startUnhinted();
  await pass(2400);
  expect(receivedBy("op").at(-1)).toBe("update RUNNING 2");
  expect(watches.intervalMs("op")).toBe(250);
  await pass(400); // By the next read its hint has not come.
  expect((await metrics.backstopReads.get()).values[0]?.value).toBe(1);
  close();
});

test("duplicated and late hints change nothing but the number of reads (C2)", async () => {
  const { scheduler, watches, receivedBy, close } = await startWatched();
  for (let index = 1; index <= 20; index += 1) {
    scheduler.set("op", { customStatus: String(index) });
    watches.hint(["op"]);
    await pass(5);
    watches.hint(["op"]);
    watches.hint(["op"]);
    await pass(1000);
  }
  const updates = Array.from({ length: 20 }, (_, index) => `update RUNNING ${index + 1}`);
  expect(receivedBy("op")).toEqual(["snapshot RUNNING -", ...updates]);
  close();
});

test("a change that is read before its hint comes is not one without a hint (POLL-3)", async () => {
  const { watches, receivedBy, metrics, close } = await startUnhinted();
  while (receivedBy("op").at(-1) !== "update RUNNING 2") await pass(10);
  watches.hint(["op"]);
  await pass(1000);
  expect(watches.intervalMs("op")).toBe(2000);
  expect((await metrics.backstopReads.get()).values[0]?.value).toBe(0);
  close();
});
