import { expect, test } from "vitest";
import { ReadBudget } from "../../src/streaming/read-budget.ts";

/** Makes a read when its turn has come. */
async function run<T>(budget: ReadBudget, read: () => Promise<T>): Promise<T> {
  await budget.turn();
  return read().finally(() => budget.done());
}

test("R1: at most the budget and a tenth of a second's worth leave in any time", async () => {
  const budget = new ReadBudget({ readsPerSecond: 100 });
  const startedMs = performance.now();
  const sentMs: number[] = [];
  await Promise.all(
    Array.from({ length: 60 }, () =>
      run(budget, async () => void sentMs.push(performance.now() - startedMs)),
    ),
  );
  sentMs.forEach((atMs, index) => {
    expect(index + 1).toBeLessThanOrEqual((atMs / 1000) * 100 + 10 + 1);
  });
  expect(sentMs.at(-1)).toBeGreaterThan(400);
});

test("R1: at most 64 reads are under way at once", async () => {
  const budget = new ReadBudget({ readsPerSecond: 10_000 });
  let underWay = 0;
  let most = 0;
  const gate = Promise.withResolvers<void>();
  const reads = Array.from({ length: 200 }, () =>
    run(budget, async () => {
      underWay += 1;
      most = Math.max(most, underWay);
      if (underWay === 64) gate.resolve();
      await gate.promise;
      underWay -= 1;
    }),
  );
  await Promise.all(reads);
  expect(most).toBe(64);
});

test("R2: reads leave in the order they came in", async () => {
  const budget = new ReadBudget({ readsPerSecond: 1000 });
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 150 }, (_, index) => run(budget, async () => void order.push(index))),
  );
  expect(order).toEqual([...order].sort((a, b) => a - b));
});

test("R3: demand past the budget slows every watcher by the same factor", () => {
  const budget = new ReadBudget({ readsPerSecond: 100 });
  expect(budget.stretch).toBe(1);
  const claims = Array.from({ length: 90 }, () => budget.claim(250));
  expect(budget.stretch).toBeCloseTo(4);
  claims[0]?.update(Number.POSITIVE_INFINITY);
  for (const claim of claims.slice(1)) claim.release();
  expect(budget.stretch).toBe(1);
});

test("a failed read gives its place back", async () => {
  const budget = new ReadBudget({ readsPerSecond: 10_000 });
  for (let count = 0; count < 100; count += 1) {
    await expect(run(budget, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  }
  expect(await run(budget, async () => "yes")).toBe("yes");
});
