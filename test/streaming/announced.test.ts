import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { isStarted } from "../../src/streaming/operation/announced.ts";
import { InMemoryScheduler } from "../helpers/scheduler/in-memory-scheduler.ts";
import { streamingOn } from "./support/streaming-on.ts";

/* Changes that are announced, with poll intervals of an hour, under a clock that the test owns. */

const HOUR_MS = 3_600_000;
/** Longer than an announced change is read for. */
const LONG_MS = 60_000;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

function start() {
  const scheduler = new InMemoryScheduler();
  return { scheduler, ...streamingOn(scheduler, { pollMinMs: HOUR_MS, pollMaxMs: HOUR_MS }) };
}

test("an announced change is read at once, also where reads show it only later (WATCH-6)", async () => {
  const { scheduler, watches, close, watch, receivedBy } = start();
  scheduler.set("op");
  watch("op");
  await pass(LONG_MS);
  watches.announce("op", (operation) => operation?.status === "SUSPENDED");
  await pass(300);
  scheduler.set("op", { customStatus: '"by the way"' });
  await pass(300);
  scheduler.set("op", { status: "SUSPENDED" });
  await pass(2000);
  expect(receivedBy("op")).toEqual([
    "snapshot RUNNING -",
    'update RUNNING "by the way"',
    'update SUSPENDED "by the way"',
  ]);
  scheduler.reads = [];
  await pass(LONG_MS);
  expect(scheduler.reads).toEqual([]);
  close();
});

test("a change that does not show up costs six reads (WATCH-6)", async () => {
  const { scheduler, watches, close, watch } = start();
  scheduler.set("op");
  watch("op");
  await pass(LONG_MS);
  scheduler.reads = [];
  watches.announce("op");
  await pass(LONG_MS);
  expect(scheduler.reads).toHaveLength(6);
  close();
});

test("without a test of its own any change is taken for the announced one (WATCH-6)", async () => {
  const { scheduler, watches, close, watch } = start();
  scheduler.set("op");
  watch("op");
  await pass(LONG_MS);
  scheduler.set("op", { customStatus: "1" });
  scheduler.reads = [];
  watches.announce("op");
  await pass(LONG_MS);
  expect(scheduler.reads).toHaveLength(1);
  close();
});

test("an operation that was started is waited for where reads lag, and is not found only then", async () => {
  const { scheduler, watches, close, watch, receivedBy } = start();
  watch("late");
  watches.announce("late", isStarted);
  watch("never");
  watches.announce("never", isStarted);
  await pass(500);
  scheduler.set("late");
  await pass(500);
  expect(receivedBy("late")).toEqual(["snapshot RUNNING -"]);
  expect(receivedBy("never")).toEqual([]);
  await pass(2 * HOUR_MS);
  expect(receivedBy("never")).toEqual(["end not-found"]);
  close();
});

test("an announced change is read for through an outage (WATCH-6)", async () => {
  const { scheduler, watches, close, watch, receivedBy } = start();
  scheduler.set("op");
  watch("op");
  await pass(LONG_MS);
  const read = scheduler.getInstance.bind(scheduler);
  scheduler.getInstance = () => Promise.reject(new Error("silent"));
  watches.announce("op");
  await pass(300);
  scheduler.set("op", { status: "SUSPENDED" });
  scheduler.getInstance = read;
  await pass(2000);
  expect(receivedBy("op")).toEqual(["snapshot RUNNING -", "outage", "update SUSPENDED -"]);
  close();
});

test("an announced change does not wait for a sweep that is under way (WATCH-6)", async () => {
  const scheduler = new InMemoryScheduler();
  const { watches, close, watch, receivedBy } = streamingOn(scheduler);
  const ids = Array.from({ length: 60 }, (_, index) => `op-${index}`);
  for (const id of ids) scheduler.set(id);
  for (const id of ids) watch(id);
  await pass(3000);
  let isHeld = false;
  scheduler.afterPage = () => {
    isHeld = true;
    return new Promise(() => undefined);
  };
  while (!isHeld) await pass(10);
  watches.announce("op-7");
  await pass(300);
  scheduler.set("op-7", { status: "SUSPENDED" });
  await pass(1500);
  expect(receivedBy("op-7")).toEqual(["snapshot RUNNING -", "update SUSPENDED -"]);
  close();
});

test("operations that are not watched are not read", async () => {
  const { scheduler, watches, close } = start();
  scheduler.set("op");
  watches.announce("op");
  await pass(LONG_MS);
  expect(scheduler.reads).toEqual([]);
  close();
});
