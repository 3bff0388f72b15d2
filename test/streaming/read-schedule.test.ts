import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ReadBudget } from "../../src/streaming/read-budget.ts";
import { ReadSchedule } from "../../src/streaming/read-schedule.ts";
import { SchedulerClock } from "../../src/streaming/scheduler-clock.ts";

const MIN_MS = 250;
const MAX_MS = 5000;
const JITTER = 0.15;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
});
afterEach(() => {
  vi.useRealTimers();
});

interface Circumstances {
  /** By how much the scheduler's clock is ahead of ours, in milliseconds. */
  readonly aheadMs?: number;
  readonly clock?: SchedulerClock;
  readonly budget?: ReadBudget;
}

/** An operation that changes at given times, read as its schedule wants. Times from its beginning. */
class Run {
  readonly reads: number[] = [];
  /** For each change that was found, how long after it. */
  readonly lags: number[] = [];
  readonly schedule: ReadSchedule;
  readonly #beganMs = Date.now();
  readonly #changes: readonly number[];
  readonly #aheadMs: number;
  #found = 0;

  constructor(changes: readonly number[], circumstances: Circumstances = {}) {
    const { aheadMs = 0, clock = new SchedulerClock(), budget = ample() } = circumstances;
    this.#changes = changes;
    this.#aheadMs = aheadMs;
    const options = { minMs: MIN_MS, maxMs: MAX_MS };
    this.schedule = new ReadSchedule(options, budget, clock, () => this.read());
    this.schedule.soon();
    this.schedule.plan(false);
  }

  read(): void {
    const nowMs = Date.now() - this.#beganMs;
    this.reads.push(nowMs);
    const changes = this.#changes.filter((atMs) => atMs <= nowMs);
    if (changes.length > this.#found) {
      this.#found = changes.length;
      const atMs = changes.at(-1) as number;
      this.lags.push(nowMs - atMs);
      this.schedule.changed(this.#beganMs + atMs + this.#aheadMs, performance.now());
    } else this.schedule.quiet(performance.now());
    this.schedule.plan(false);
  }

  get intervals(): number[] {
    return this.reads.map((atMs, index) => atMs - (this.reads[index - 1] ?? 0));
  }
}

const ample = () => new ReadBudget({ readsPerSecond: 10_000 });
const every = (ms: number, count: number) => Array.from({ length: count }, (_, i) => (i + 1) * ms);

test("D1: the interval grows by half from the shortest to the longest, ±15 %", () => {
  const run = new Run([]);
  vi.advanceTimersByTime(60_000);
  run.intervals.forEach((ms, index) => {
    const wanted = Math.min(MIN_MS * 1.5 ** index, MAX_MS);
    expect(ms).toBeGreaterThanOrEqual(Math.floor(wanted * (1 - JITTER)));
    expect(ms).toBeLessThanOrEqual(Math.ceil(wanted * (1 + JITTER)));
  });
  expect(run.schedule.intervalMs).toBe(MAX_MS);
});

test("D1: it is the shortest again after a change", () => {
  const run = new Run([20_000]);
  vi.advanceTimersByTime(20_000);
  expect(run.schedule.intervalMs).toBe(MAX_MS);
  vi.advanceTimersByTime(MAX_MS * (1 + JITTER));
  const found = run.reads.findIndex((atMs) => atMs >= 20_000);
  expect(run.intervals[found + 1]).toBeLessThanOrEqual(MIN_MS * (1 + JITTER));
});

test("D1: many reads within one interval do not lengthen it", () => {
  const run = new Run([]);
  for (let count = 0; count < 50; count += 1) {
    run.read();
    vi.advanceTimersByTime(3);
  }
  expect(run.schedule.intervalMs).toBe(MIN_MS);
});

test("D1: a read that fails counts as a whole interval", () => {
  const run = new Run([]);
  run.schedule.failed();
  run.schedule.failed();
  expect(run.schedule.intervalMs).toBe(MIN_MS * 1.5 ** 2);
});

for (const aheadMs of [0, 4000, -4000]) {
  for (const paceMs of [500, 1000, 7000]) {
    test(`D2: changes every ${paceMs} ms are foreseen, with a clock ${aheadMs} ms ahead`, () => {
      const run = new Run(every(paceMs, 40), { aheadMs });
      vi.advanceTimersByTime(paceMs * 41);
      expect(run.lags.length).toBeGreaterThan(35);
      expect(Math.max(...run.lags.slice(-20))).toBeLessThanOrEqual(50);
    });
  }
}

test("D2: what one operation has taught of the scheduler's clock helps the next", () => {
  const clock = new SchedulerClock();
  const first = new Run(every(1000, 40), { clock, aheadMs: 700 });
  vi.advanceTimersByTime(41_000);
  first.schedule.rest();
  const second = new Run(every(2000, 4), { clock, aheadMs: 700 });
  vi.advanceTimersByTime(9000);
  expect(second.lags.at(-1)).toBeLessThanOrEqual(50);
});

test("D2: a clock that is set is learnt anew", () => {
  const clock = new SchedulerClock();
  for (const aheadMs of [0, 60_000, -60_000]) {
    const run = new Run(every(1000, 40), { clock, aheadMs });
    vi.advanceTimersByTime(41_000);
    run.schedule.rest();
    expect(Math.max(...run.lags.slice(-10))).toBeLessThanOrEqual(50);
  }
});

test("D2: a change that does not come when it was expected starts the back-off anew", () => {
  const run = new Run([...every(4000, 10), 90_000]);
  vi.advanceTimersByTime(80_000);
  const afterwards = run.intervals.slice(run.reads.findIndex((atMs) => atMs > 44_000));
  const shortest = afterwards.findIndex((ms) => ms <= MIN_MS * (1 + JITTER));
  expect(shortest).toBeGreaterThanOrEqual(0);
  expect(run.schedule.intervalMs).toBe(MAX_MS); // and then it grows as ever
});

test("D2: an uneven pace is not foreseen, and costs no more reads than the back-off", () => {
  let atMs = 0;
  const changes = Array.from({ length: 60 }, (_, i) => {
    atMs += i % 2 === 0 ? 700 : 2900;
    return atMs;
  });
  const run = new Run(changes);
  vi.advanceTimersByTime(atMs);
  // From 250 ms by half: up to 3 reads in 700 ms, 6 in 2,900.
  expect(run.reads.length).toBeLessThanOrEqual(30 * (3 + 6));
});

test("D2, D3: no two reads are closer than the shortest interval, also where a change is expected", () => {
  for (const paceMs of [100, 260, 333, 900]) {
    const run = new Run(every(paceMs, 200));
    vi.advanceTimersByTime(paceMs * 200);
    run.schedule.rest();
    expect(Math.min(...run.intervals)).toBeGreaterThanOrEqual(Math.floor(MIN_MS * (1 - JITTER)));
  }
});

test("D3: past the budget all intervals are stretched by the same factor", () => {
  const budget = new ReadBudget({ readsPerSecond: 10 });
  const others = Array.from({ length: 8 }, () => budget.claim(MIN_MS));
  const run = new Run(every(1000, 60), { budget });
  vi.advanceTimersByTime(60_000);
  expect(budget.stretch).toBeGreaterThan(3);
  expect(Math.min(...run.intervals.slice(1))).toBeGreaterThanOrEqual(MIN_MS * (1 - JITTER) * 3.5);
  for (const claim of others) claim.release();
});

test("D4: after rest there is no timer, and nothing is claimed of the budget", () => {
  const budget = ample();
  const run = new Run([], { budget });
  expect(budget.wantedPerSecond).toBeGreaterThan(0);
  run.schedule.rest();
  expect(budget.wantedPerSecond).toBeCloseTo(0);
  expect(vi.getTimerCount()).toBe(0);
});
