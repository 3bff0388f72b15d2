import { expect, test } from "vitest";
import { Horizon } from "../../src/streaming/reading/horizon.ts";

test("a date is settled 5 s after a read has returned it", () => {
  const horizon = new Horizon();
  expect(horizon.settledMs(0)).toBe(0);
  horizon.observe(1000, 0);
  horizon.observe(2000, 3000);
  horizon.observe(1500, 4000);
  expect([4999, 5000, 7999, 8000, 99_000].map((nowMs) => horizon.settledMs(nowMs))).toEqual([
    0, 1000, 1000, 2000, 2000,
  ]);
});

test("it follows continuous changes within 5.5 s, and catches up when they end", () => {
  const horizon = new Horizon();
  for (let nowMs = 0; nowMs <= 20_000; nowMs += 10) {
    horizon.observe(1_000_000 + nowMs, nowMs);
    const behindMs = 1_000_000 + nowMs - horizon.settledMs(nowMs);
    if (nowMs > 6000) expect(behindMs).toBeGreaterThanOrEqual(5000);
    if (nowMs > 6000) expect(behindMs).toBeLessThanOrEqual(5510);
  }
  expect(horizon.settledMs(25_000)).toBe(1_020_000);
});

test("a change after the horizon with a date before it shows that a clock was set back (HORIZON-1)", () => {
  const horizon = new Horizon();
  horizon.observe(100_000, 0);
  expect(horizon.settledMs(6000)).toBe(100_000);
  expect(horizon.isValid(100_000)).toBe(true);
  // Of a change that may be older than the horizon nothing follows.
  horizon.observeChange(50_000, Number.NEGATIVE_INFINITY, 6000);
  expect(horizon.settledMs(6000)).toBe(100_000);
  horizon.observeChange(50_000, 5500, 6000);
  expect(horizon.settledMs(6000)).toBe(45_000);
  expect([horizon.isValid(45_000), horizon.isValid(100_000)]).toEqual([true, false]);
  // Dates from before the clock was set back do not move it; changes do.
  horizon.observe(100_000, 7000);
  horizon.observeChange(52_000, 6500, 7000);
  expect(horizon.settledMs(13_000)).toBe(52_000);
  horizon.observe(100_001, 14_000);
  expect(horizon.settledMs(19_500)).toBe(100_001);
  expect(horizon.isValid(100_000)).toBe(true);
});
