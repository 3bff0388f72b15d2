import { expect, test } from "vitest";
import { ReadBudget } from "../../src/streaming/reading/read-budget.ts";

/** Makes a read when the budget permits it. */
async function run<T>(budget: ReadBudget, read: () => Promise<T>): Promise<T> {
  await budget.permit();
  return read().finally(() => budget.done());
}

test("at most the budget and a tenth of a second's worth are sent in any time (BUDGET-1)", async () => {
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

test("at most 64 reads are in flight at once (BUDGET-1)", async () => {
  const budget = new ReadBudget({ readsPerSecond: 10_000 });
  let inFlight = 0;
  let most = 0;
  const gate = Promise.withResolvers<void>();
  const reads = Array.from({ length: 200 }, () =>
    run(budget, async () => {
      inFlight += 1;
      most = Math.max(most, inFlight);
      if (inFlight === 64) gate.resolve();
      await gate.promise;
      inFlight -= 1;
    }),
  );
  await Promise.all(reads);
  expect(most).toBe(64);
});

test("permits are given in the order of the requests (BUDGET-2)", async () => {
  const budget = new ReadBudget({ readsPerSecond: 1000 });
  const order: number[] = [];
  await Promise.all(
    Array.from({ length: 150 }, (_, index) => run(budget, async () => void order.push(index))),
  );
  expect(order).toEqual([...order].sort((a, b) => a - b));
});

test("a failed read releases its permit", async () => {
  const budget = new ReadBudget({ readsPerSecond: 10_000 });
  for (let count = 0; count < 100; count += 1) {
    await expect(run(budget, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  }
  expect(await run(budget, async () => "yes")).toBe("yes");
});
