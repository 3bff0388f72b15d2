import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { StreamingOptions } from "../../src/streaming/streaming.ts";
import { InMemoryScheduler } from "../helpers/scheduler/in-memory-scheduler.ts";
import { streamingOn } from "./support/streaming-on.ts";

/* How watchers, pages and single reads work together over time, under a clock that the test owns. */

const HOUR_MS = 3_600_000;
const TWO_POWER_31 = 2 ** 31;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

/** Operations op-0, op-1, … each with a subscriber. */
function watch(count: number, options: Partial<StreamingOptions> = {}) {
  const scheduler = new InMemoryScheduler();
  for (let index = 0; index < count; index += 1) scheduler.set(`op-${index}`);
  const watched = streamingOn(scheduler, options);
  for (const id of scheduler.states.keys()) watched.watch(id);
  const forget = () => {
    scheduler.reads = [];
    scheduler.pages = [];
  };
  return { scheduler, forget, ...watched };
}

test("a clock that is set back does not stop reading, with sweeps (REGISTRY-1)", async () => {
  const { scheduler, close, forget, receivedBy } = watch(2000);
  await pass(20_000);
  vi.setSystemTime(Date.now() - HOUR_MS);
  forget();
  scheduler.set("op-7", { status: "COMPLETED", lastUpdatedAtMs: Date.now() + HOUR_MS + 1 });
  await pass(20_000);
  expect(scheduler.pages.length).toBeGreaterThan(3);
  expect(receivedBy("op-7").slice(1)).toEqual(["update Completed -", "end terminal"]);
  close();
});

test("a clock that is set back during the first read causes no further reads", async () => {
  const { scheduler, close, receivedBy, watch: watchOne } = watch(0);
  scheduler.set("over", { status: "COMPLETED" });
  watchOne("over");
  vi.setSystemTime(Date.now() - HOUR_MS);
  await pass(10_000);
  expect(scheduler.reads.length).toBeLessThanOrEqual(2);
  expect(receivedBy("over")).toEqual(["snapshot Completed -", "end terminal"]);
  close();
});

test("the interval grows although the clock was set back (POLL-1)", async () => {
  const { scheduler, close, forget } = watch(1);
  await pass(5);
  vi.setSystemTime(Date.now() - HOUR_MS);
  forget();
  await pass(60_000);
  expect(scheduler.reads.length).toBeLessThanOrEqual(42);
  close();
});

test("a clock that is set forward makes no read overdue", async () => {
  const { scheduler, close, received } = watch(300, { pollPageSize: 0 });
  scheduler.readMs = 400;
  await pass(50);
  vi.setSystemTime(Date.now() + 31_000);
  await pass(20_000);
  expect(received.filter(({ what }) => what === "outage")).toEqual([]);
  close();
});

/** Holds the next page back, as it was made up, until it is released. */
function holdPage(scheduler: InMemoryScheduler): { isHeld(): boolean; release(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  let held = false;
  scheduler.afterPage = () => {
    scheduler.afterPage = async () => undefined;
    held = true;
    return promise;
  };
  return { isHeld: () => held, release: resolve };
}

test("a page that arrives after a read that was sent later is dropped (WATCH-3, C2)", async () => {
  const { scheduler, watches, close, receivedBy } = watch(60);
  await pass(3000);
  const page = holdPage(scheduler);
  const lastUpdatedAtMs = Date.now() + 1;
  scheduler.set("op-7", { customStatus: '"a"', lastUpdatedAtMs });
  while (!page.isHeld()) await pass(10);
  scheduler.set("op-7", { customStatus: '"b"', lastUpdatedAtMs }); // in the same millisecond
  watches.announce("op-7");
  await pass(50);
  page.release();
  await pass(3000);
  expect(receivedBy("op-7")).toEqual(["snapshot RUNNING -", 'update RUNNING "b"']);
  close();
});

test("a page does not restore what was purged since it was requested (WATCH-3, WATCH-5)", async () => {
  const { scheduler, watches, close, watch: watchOne, receivedBy } = watch(60);
  await pass(3000);
  const page = holdPage(scheduler);
  while (!page.isHeld()) await pass(10);
  scheduler.states.delete("op-7");
  for (let count = 0; count < 2; count += 1) {
    watches.announce("op-7");
    await pass(50);
  }
  page.release();
  await pass(50);
  watchOne("op-7");
  await pass(3000);
  expect(receivedBy("op-7")).toEqual(["snapshot RUNNING -", "end gone", "end not-found"]);
  close();
});

test("queries that always lag are detected, and hide no terminal state (SWEEP-4)", async () => {
  const { scheduler, close, receivedBy } = watch(60);
  await pass(5000);
  scheduler.listed = new Map(scheduler.states);
  scheduler.set("op-7", { status: "COMPLETED" });
  // Each sweep reads one operation by itself, and idle operations are swept every few seconds.
  await pass(60 * 6000);
  expect(receivedBy("op-7").slice(1)).toEqual(["update Completed -", "end terminal"]);
  close();
});

test("one operation that changes does not cause sweeps over all that are idle (SWEEP-1)", async () => {
  const { scheduler, close, forget } = watch(5000);
  await pass(40_000);
  forget();
  for (let count = 0; count < 60; count += 1) {
    scheduler.set("op-7", { customStatus: `${count}` });
    await pass(300 + (count % 3) * 350);
  }
  // All idle, 39 s are nine sweeps of ten pages.
  expect(scheduler.pages.length).toBeLessThan(250);
  expect(scheduler.reads.length).toBeLessThan(500);
  close();
});

test("operations that are due again during a long sweep wait for the next one (SWEEP-3)", async () => {
  const { scheduler, close, forget } = watch(800, { pollPageSize: 100, pollMaxMs: 250 });
  scheduler.pageMs = 100;
  await pass(10_000);
  forget();
  await pass(30_000);
  expect(scheduler.pages.length).toBeGreaterThan(200);
  expect(scheduler.reads.length).toBeLessThan(scheduler.pages.length);
  close();
});

test("pages that are empty and never the last are given up, and are no outage (SWEEP-2)", async () => {
  const { scheduler, close, logged } = watch(60);
  scheduler.isEndless = true;
  await pass(60_000);
  expect(scheduler.pages.length).toBeLessThanOrEqual(15);
  expect(logged).toEqual([]);
  close();
});

test("where sweeps end and the budget is small, all slow down, and no outage is reported (SWEEP-2)", async () => {
  const { scheduler, close, received } = watch(2000, { pollReadsPerSecond: 40 });
  await pass(120_000);
  const before = received.length;
  scheduler.beforePage = () => {
    scheduler.beforePage = async () => undefined;
    return Promise.reject(new Error("once"));
  };
  await pass(60_000);
  expect(received.slice(before).filter(({ what }) => what === "outage")).toEqual([]);
  close();
});

test("an operation that no page lists keeps its own interval (SWEEP-3)", async () => {
  const { scheduler, close, forget } = watch(400);
  scheduler.listed = new Map([...scheduler.states].slice(100));
  await pass(20_000);
  forget();
  for (let count = 0; count < 78; count += 1) {
    scheduler.set("op-300", { customStatus: `${count}` });
    scheduler.listed = new Map([...scheduler.states].slice(100));
    await pass(1000);
  }
  // A hundred at one in five seconds, and one of all at each pass.
  expect(scheduler.reads.length).toBeLessThan(100 * (78 / 5) * 1.3 + scheduler.pages.length * 2);
  close();
});

test("a registry that is closed during a sweep requests no more pages (REGISTRY-1)", async () => {
  const { scheduler, close, forget, logged } = watch(60, { pollPageSize: 10 });
  await pass(3000);
  const page = holdPage(scheduler);
  while (!page.isHeld()) await pass(10);
  close();
  forget();
  page.release();
  await pass(10_000);
  expect([scheduler.pages, scheduler.reads, logged]).toEqual([[], [], []]);
});

test("with a tiny budget reads stay within it (BUDGET-1)", async () => {
  const { scheduler, watches, close, forget } = watch(3000, {
    pollMaxMs: HOUR_MS,
    pollReadsPerSecond: 1,
    pollPageSize: 0,
  });
  await pass(3000);
  forget();
  await pass(60_000);
  expect(scheduler.reads.length).toBeLessThanOrEqual(62);
  expect(watches.intervalMs("op-0")).toBeLessThan(TWO_POWER_31);
  close();
});
