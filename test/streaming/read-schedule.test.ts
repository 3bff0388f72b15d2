import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ReadBudget } from "../../src/streaming/read-budget.ts";
import { ReadSchedule } from "../../src/streaming/read-schedule.ts";
import { SchedulerClock } from "../../src/streaming/scheduler-clock.ts";

const MIN_MS = 250;
const MAX_MS = 5000;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

/** An operation that changes at given times, read as its schedule wants. Times from 0. */
class Run {
  readonly reads: number[] = [];
  /** For each change, how long it took until a read found it. */
  readonly lags: number[] = [];
  readonly schedule: ReadSchedule;
  readonly #beganMs = Date.now();
  readonly #changes: readonly number[];
  #found = 0;

  /** @param aheadMs by how much the scheduler's clock is ahead of ours */
  constructor(
    changes: readonly number[],
    { aheadMs = 0, budget = new ReadBudget({ readsPerSecond: 500 }) } = {},
  ) {
    this.#changes = changes;
    const clock = new SchedulerClock();
    this.schedule = new ReadSchedule({ minMs: MIN_MS, maxMs: MAX_MS }, budget, clock, () => {
      const nowMs = Date.now() - this.#beganMs;
      this.reads.push(nowMs);
      const last = this.#changes.findLastIndex((atMs) => atMs <= nowMs);
      const dateMs = this.#beganMs + (this.#changes[last] ?? 0) + aheadMs;
      if (last >= this.#found) {
        this.#found = last + 1;
        this.lags.push(nowMs - (this.#changes[last] as number));
        this.schedule.changed(dateMs, Date.now());
      } else this.schedule.quiet(Date.now());
      this.schedule.plan(false);
    });
    this.schedule.soon();
    this.schedule.plan(false);
  }
}

const everySecond = Array.from({ length: 30 }, (_, i) => 400 + i * 1000);

for (const aheadMs of [0, 3000, -3000]) {
  test(`D2: an even pace is foreseen, the scheduler's clock being ${aheadMs} ms ahead`, () => {
    const run = new Run(everySecond, { aheadMs });
    vi.advanceTimersByTime(30_000);
    const late = run.lags.slice(15);
    expect(Math.max(...late)).toBeLessThanOrEqual(100);
  });
}
