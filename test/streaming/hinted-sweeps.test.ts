import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { StreamingOptions } from "../../src/streaming/streaming.ts";
import { InMemoryScheduler } from "../helpers/scheduler/in-memory-scheduler.ts";
import { streamingOn } from "./support/streaming-on.ts";

/* Hints of many operations, under a clock that the test owns. A sweep of them costs 5 reads. */

const COUNT = 100;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

/** Operations that are watched, after a change of each that was hinted: polls are seconds away. */
async function startHinted(options: Partial<StreamingOptions> = {}) {
  const scheduler = new InMemoryScheduler();
  const ids = Array.from({ length: COUNT }, (_, index) => `op-${index}`);
  for (const id of ids) scheduler.set(id);
  const streaming = streamingOn(scheduler, { pollMinHintedMs: 5000, ...options });
  for (const id of ids) streaming.watch(id);
  await pass(3000);
  /** Changes some, and hints it. */
  const change = (some: readonly string[], customStatus: string) => {
    for (const id of some) scheduler.set(id, { customStatus });
    streaming.watches.hint(some);
  };
  change(ids, "0");
  await pass(1000);
  scheduler.reads = [];
  scheduler.pages = [];
  const last = (id: string) => streaming.receivedBy(id).at(-1);
  return { scheduler, ids, change, last, ...streaming };
}

test("hints of many operations make one sweep, and no read of each (SWEEP-5)", async () => {
  const { scheduler, ids, change, last, close } = await startHinted();
  change(ids, "1");
  await pass(20);
  expect(new Set(ids.map(last))).toEqual(new Set(["update RUNNING 1"]));
  expect(scheduler.pages).toEqual([COUNT]);
  expect(scheduler.reads.length).toBeLessThanOrEqual(1); // SWEEP-4
  close();
});

test("hints of few operations are read by themselves at once, also soon after a sweep (SWEEP-5)", async () => {
  const { scheduler, ids, change, last, close } = await startHinted();
  change(ids, "1");
  await pass(20);
  scheduler.reads = [];
  scheduler.pages = [];
  change(["op-1", "op-2"], "2");
  await pass(3);
  expect(last("op-2")).toBe("update RUNNING 2");
  expect(scheduler.reads).toEqual(["op-1", "op-2"]);
  expect(scheduler.pages).toEqual([]);
  close();
});

test("a page does not count for a hint that came after its request; the next sweep does (SWEEP-5, WATCH-6)", async () => {
  const { scheduler, ids, change, last, close } = await startHinted();
  const held = Promise.withResolvers<void>();
  scheduler.afterPage = () => held.promise;
  change(ids, "1");
  await pass(50);
  change(ids, "2");
  change(ids.slice(0, 20), "3");
  await pass(50);
  expect(scheduler.reads).toEqual([]);
  held.resolve();
  await pass(250);
  expect(last("op-0")).toBe("update RUNNING 3");
  expect(last("op-99")).toBe("update RUNNING 2");
  expect(scheduler.pages).toEqual([COUNT, COUNT]);
  close();
});

test("what this process announces is read at once while hinted operations wait (WATCH-6)", async () => {
  const { scheduler, ids, change, watches, last, close } = await startHinted();
  const held = Promise.withResolvers<void>();
  scheduler.afterPage = () => held.promise;
  change(ids, "1");
  await pass(50);
  scheduler.set("op-7", { customStatus: "2" });
  watches.announce("op-7");
  await pass(3);
  expect(last("op-7")).toBe("update RUNNING 2");
  change(["op-7"], "3");
  held.resolve();
  await pass(250);
  expect(last("op-7")).toBe("update RUNNING 3");
  expect(last("op-8")).toBe("update RUNNING 1");
  close();
});

test("hinted ends, which no page lists, are read by themselves (SWEEP-3, C3)", async () => {
  const { scheduler, ids, change, watches, last, close } = await startHinted();
  const held = Promise.withResolvers<void>();
  scheduler.afterPage = () => held.promise;
  change(ids.slice(0, 50), "1");
  await pass(20);
  for (const id of ids) scheduler.set(id, { status: "COMPLETED" });
  watches.hint(ids);
  held.resolve();
  await pass(1000);
  expect(new Set(ids.map(last))).toEqual(new Set(["end terminal"]));
  expect(scheduler.pages.length).toBeLessThanOrEqual(2);
  expect(scheduler.reads.length).toBeLessThanOrEqual(2 * COUNT);
  close();
});

test("where sweeps fail, or bring no payloads, hinted operations are read by themselves (SWEEP-3)", async () => {
  const { scheduler, ids, change, last, close } = await startHinted();
  scheduler.beforePage = async () => {
    throw new Error("no answer");
  };
  for (const status of ["1", "2"]) {
    change(ids, status);
    await pass(1000);
    expect(new Set(ids.map(last))).toEqual(new Set([`update RUNNING ${status}`]));
  }
  // Pages come without payloads for a while (LIST-1).
  scheduler.beforePage = async () => undefined;
  await pass(61_000);
  scheduler.reads = [];
  change(ids, "3");
  await pass(1000);
  expect(new Set(scheduler.reads)).toEqual(new Set(ids));
  expect(new Set(ids.map(last))).toEqual(new Set(["update RUNNING 3"]));
  close();
});

test("hints without end make sweeps, at most half the time (SWEEP-5)", async () => {
  const { scheduler, ids, change, last, close } = await startHinted();
  scheduler.pageMs = 30;
  for (let step = 0; step < 200; step += 1) {
    const some = Array.from(
      { length: 10 },
      (_, index) => ids[(step * 7 + index) % COUNT] as string,
    );
    change(some, `${step}`);
    await pass(10);
  }
  // 2,000 hints in 2 s.
  expect(scheduler.reads.length).toBeLessThan(100);
  expect(scheduler.pages.length).toBeGreaterThan(20);
  expect(scheduler.pages.length).toBeLessThan(40);
  await pass(200);
  expect(last(ids[(199 * 7) % COUNT] as string)).toBe("update RUNNING 199");
  close();
});
