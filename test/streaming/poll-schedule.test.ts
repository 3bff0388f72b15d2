import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { PollSchedule } from "../../src/streaming/reading/poll-schedule.ts";

const MIN_MS = 250;
const MAX_MS = 5000;
const JITTER = 0.15;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

const schedule = () => new PollSchedule({ minMs: MIN_MS, maxMs: MAX_MS });
const pass = (ms: number) => vi.advanceTimersByTime(ms);

test("the interval is an eighth of the time since the last change, within its bounds (POLL-1)", () => {
  const poll = schedule();
  expect(poll.intervalMs).toBe(MIN_MS);
  pass(2000);
  expect(poll.intervalMs).toBe(MIN_MS);
  pass(6000);
  expect(poll.intervalMs).toBeCloseTo(1000);
  pass(3_600_000);
  expect(poll.intervalMs).toBe(MAX_MS);
  poll.changed();
  expect(poll.intervalMs).toBe(MIN_MS);
});

test("many reads within one interval do not lengthen it (POLL-1)", () => {
  const poll = schedule();
  for (let count = 0; count < 50; count += 1) {
    pass(3);
    poll.quiet();
  }
  expect(poll.intervalMs).toBe(MIN_MS);
});

test("the interval doubles while reads fail, and is as before when one succeeds (POLL-1)", () => {
  const poll = schedule();
  pass(4000);
  poll.failed();
  expect(poll.intervalMs).toBe(MIN_MS * 2);
  poll.failed();
  expect(poll.intervalMs).toBe(MIN_MS * 4);
  for (let count = 0; count < 200; count += 1) poll.failed();
  expect(poll.intervalMs).toBe(MAX_MS);
  poll.quiet();
  expect(poll.intervalMs).toBeCloseTo(500);
});

test("an announced change is read for after 50, 100, 200, 400 and 800 ms, and then as usual (POLL-2)", () => {
  const poll = new PollSchedule({ minMs: 2000, maxMs: 5000 });
  const intervalAfterRead = (settle: () => void) => {
    settle();
    poll.plan(true);
    return poll.dueAtMs - performance.now();
  };
  poll.announced();
  expect(poll.expecting).toBe(true);
  expect(intervalAfterRead(() => poll.quiet())).toBe(50);
  expect(intervalAfterRead(() => poll.changed())).toBe(100);
  expect(intervalAfterRead(() => poll.failed())).toBe(200);
  expect(intervalAfterRead(() => poll.quiet())).toBe(400);
  expect(intervalAfterRead(() => poll.quiet())).toBe(800);
  expect(intervalAfterRead(() => poll.quiet())).toBe(2000);
  expect(poll.expecting).toBe(false);

  poll.announced();
  expect(intervalAfterRead(() => poll.quiet())).toBe(50);
  expect(intervalAfterRead(() => poll.shown())).toBe(2000);
});

test("an announcement makes no interval longer (POLL-2)", () => {
  const poll = new PollSchedule({ minMs: 10, maxMs: 25 });
  poll.announced();
  for (let reads = 0; reads < 4; reads += 1) {
    poll.plan(true);
    expect(poll.intervalMs).toBe(10);
  }
});

test("a read by itself has jitter, one with others has none (POLL-3)", () => {
  const poll = schedule();
  const delays = Array.from({ length: 200 }, () => {
    poll.plan(false);
    return poll.dueAtMs - performance.now();
  });
  expect(Math.min(...delays)).toBeGreaterThanOrEqual(Math.floor(MIN_MS * (1 - JITTER)));
  expect(Math.max(...delays)).toBeLessThanOrEqual(Math.ceil(MIN_MS * (1 + JITTER)));
  expect(new Set(delays).size).toBeGreaterThan(20);
  poll.plan(true);
  expect(poll.dueAtMs - performance.now()).toBe(MIN_MS);
});

test("a clock that is set back or forward changes no interval", () => {
  const poll = schedule();
  pass(8000);
  vi.setSystemTime(Date.now() - 3_600_000);
  expect(poll.intervalMs).toBeCloseTo(1000);
  vi.setSystemTime(Date.now() + 7_200_000);
  expect(poll.intervalMs).toBeCloseTo(1000);
});
