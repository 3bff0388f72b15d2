import { expect, test } from "vitest";
import { Horizon } from "../../src/streaming/horizon.ts";

test("a date counts as settled 5 s after a read has brought it", () => {
  const horizon = new Horizon();
  expect(horizon.settledMs(0)).toBe(0);
  horizon.advance(1000, 0);
  horizon.advance(2000, 3000);
  horizon.advance(1500, 4000);
  expect([4999, 5000, 7999, 8000, 99_000].map((nowMs) => horizon.settledMs(nowMs))).toEqual([
    0, 1000, 1000, 2000, 2000,
  ]);
});

test("under changes without a pause it follows within 5.5 s, and catches up when they end", () => {
  const horizon = new Horizon();
  for (let nowMs = 0; nowMs <= 20_000; nowMs += 10) {
    horizon.advance(1_000_000 + nowMs, nowMs);
    const behindMs = 1_000_000 + nowMs - horizon.settledMs(nowMs);
    if (nowMs > 6000) expect(behindMs).toBeGreaterThanOrEqual(5000);
    if (nowMs > 6000) expect(behindMs).toBeLessThanOrEqual(5510);
  }
  expect(horizon.settledMs(25_000)).toBe(1_020_000);
});
