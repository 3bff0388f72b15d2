import { expect, test } from "vitest";
import { shutdownTimes } from "../../src/shutdown-times.ts";

test("the parts of a shutdown fit into the grace period, whatever the settings", () => {
  for (const [graceMs, drainDelayMs] of [
    [4000, 0],
    [5000, 1000],
    [10_000, 5000],
    [10_000, 6000],
    [30_000, 15_000],
    [600_000, 596_000],
  ] as const) {
    const times = shutdownTimes(graceMs, drainDelayMs);
    expect(times.drainDelayMs).toBe(drainDelayMs);
    const sumMs = times.drainDelayMs + times.listenOnMs + times.requestsWithinMs;
    expect(graceMs - sumMs).toBeGreaterThanOrEqual(1000);
  }
});

test("with the defaults the API serves for longer than HAProxy's default checks need (3 × 2 s)", () => {
  const { drainDelayMs, listenOnMs } = shutdownTimes(10_000, 5000);
  expect(drainDelayMs + listenOnMs).toBeGreaterThan(6000);
});
