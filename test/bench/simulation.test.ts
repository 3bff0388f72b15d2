import { expect, test } from "vitest";
import { simulate } from "../../bench/simulate/simulation.ts";

const BASE = { operations: 100, changesEveryMs: 2000, hints: false, seconds: 5, seed: 1 };

test("a simulation gives the same figures for the same seed, and the lag of polling or of hints", async () => {
  const polled = await simulate(BASE);
  expect(await simulate(BASE)).toEqual(polled);
  // One query refreshes all of them about four times a second, and sees most of 50 changes.
  expect(polled.readsPerSecond + polled.pagesPerSecond).toBeLessThan(20);
  expect(polled.updatesPerSecond).toBeGreaterThan(30);
  expect(polled.lagP50Ms).toBeGreaterThan(100);

  const hinted = await simulate({ ...BASE, hints: true });
  expect(hinted.readsPerSecond).toBeGreaterThan(40);
  expect(hinted.lagP95Ms).toBeLessThan(50);
});

test("hints of more changes than the budget has reads are quicker than polling, with few reads (SWEEP-5)", async () => {
  const hinted = await simulate({ ...BASE, changesEveryMs: 150, seconds: 3, hints: true });
  expect(hinted.lagP50Ms).toBeLessThan(100);
  expect(hinted.lagP95Ms).toBeLessThan(150);
  expect(hinted.updatesPerSecond).toBeGreaterThan(500);
  expect(hinted.readsPerSecond + hinted.pagesPerSecond).toBeLessThan(50);
});

test("reads of a simulation stay within the budget, and updates are late instead (BUDGET-1)", async () => {
  // A query lists so many operations of other replicas that each is read by itself.
  const many = { operations: 600, replicas: 20, changesEveryMs: 500, hints: true };
  const overloaded = await simulate({ ...BASE, ...many });
  expect(overloaded.readsPerSecond + overloaded.pagesPerSecond).toBeLessThanOrEqual(505);
  expect(overloaded.updatesPerSecond).toBeLessThan(1000);
  expect(overloaded.lagP50Ms).toBeGreaterThan(100);
});
