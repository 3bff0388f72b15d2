import { BackOff, type BackOffOptions, jittered } from "./back-off.ts";
import { Pace } from "./pace.ts";
import type { Claim, ReadBudget } from "./read-budget.ts";
import type { SchedulerClock } from "./scheduler-clock.ts";

/** The share of an interval after which it has passed: jitter makes it as short as that. */
const PASSED = 0.8;
/** The longest that a timer can wait. */
const MAX_TIMER_MS = 2 ** 31 - 1;
/** A change that is expected is looked for a little later: nothing is as even as it seems. */
const MARGIN_MS = 10;

/**
 * When one operation is read next.
 *   D1. The interval is `minMs` after a change and half as long again after each that was quiet, up to
 *       `maxMs`, ±15 %. It counts time, not reads: many reads in one interval do not lengthen it.
 *   D2. Where the operation changes at an even pace, a read that would come after the next change, or
 *       less than `minMs` before, comes with it; if it finds nothing, the back-off begins anew.
 *   D3. Past the budget all intervals are stretched alike, and none is shorter than `minMs` so stretched.
 *   D4. After `rest` there is no timer, and nothing is claimed of the budget.
 */
export class ReadSchedule {
  readonly #minMs: number;
  readonly #budget: ReadBudget;
  readonly #clock: SchedulerClock;
  readonly #onDue: () => void;
  readonly #backOff: BackOff;
  readonly #claim: Claim;
  readonly #pace = new Pace();
  #steppedAtMs = performance.now();
  /** When the last read was sent. */
  #sentMs: number | undefined;
  /** When a change is looked for, by our clock. */
  #expectedAtMs: number | undefined;
  #plannedAtMs = 0;
  /** The delay that was planned, without the stretch of the budget. */
  #baseMs = 0;
  #dueAtMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    options: BackOffOptions,
    budget: ReadBudget,
    clock: SchedulerClock,
    onDue: () => void,
  ) {
    this.#minMs = options.minMs;
    this.#budget = budget;
    this.#clock = clock;
    this.#onDue = onDue;
    this.#backOff = new BackOff(options);
    this.#claim = budget.claim(options.minMs);
  }

  /** The present time between two reads, in milliseconds. */
  get intervalMs(): number {
    return this.#backOff.intervalMs * this.#budget.stretch;
  }

  /** Milliseconds until the next read. */
  get nextReadMs(): number {
    return Math.max(0, this.#dueAtMs - performance.now());
  }

  /**
   * A read has found a change.
   * @param dateMs when it happened, in epoch milliseconds by the scheduler
   * @param sentMs when the read was sent, by `performance.now()`
   */
  changed(dateMs: number, sentMs: number): void {
    const missedMs = this.#sentMs;
    if (missedMs !== undefined && missedMs < sentMs) this.#clock.learn(dateMs, missedMs, sentMs);
    this.#sentMs = sentMs;
    this.#pace.changed(dateMs);
    this.soon();
  }

  /** A read sent at `sentMs` has found nothing new. */
  quiet(sentMs: number): void {
    this.#sentMs = Math.max(this.#sentMs ?? 0, sentMs);
    const nowMs = performance.now();
    const wasExpected = this.#expectedAtMs !== undefined && nowMs >= this.#expectedAtMs;
    if (wasExpected)
      this.soon(); // D2
    else if (nowMs - this.#steppedAtMs >= this.#backOff.intervalMs * PASSED) this.failed();
  }

  /** Nothing was found out. */
  failed(): void {
    this.#backOff.grow();
    this.#steppedAtMs = performance.now();
  }

  /** There is reason to read again soon. */
  soon(): void {
    this.#backOff.reset();
    this.#steppedAtMs = performance.now();
    this.#expectedAtMs = undefined;
  }

  /** Sets the time of the next read. @param byPage whether this one came with others (see `Claim`) */
  plan(byPage: boolean): void {
    const nowMs = performance.now();
    const { stretch } = this.#budget;
    const expectedMs = this.#pace.expectedMs;
    let delayMs = jittered(this.intervalMs);
    this.#expectedAtMs = undefined;
    if (expectedMs !== undefined) {
      const atMs = Math.ceil(this.#clock.readAtMs(expectedMs)) + MARGIN_MS;
      if (atMs > nowMs && atMs < nowMs + delayMs + this.#minMs) {
        this.#expectedAtMs = atMs;
        delayMs = Math.max(atMs - nowMs, this.#minMs * stretch); // D2, D3
      }
    }
    this.#claim.update(delayMs / stretch, byPage);
    this.#plannedAtMs = nowMs;
    this.#baseMs = delayMs / stretch;
    this.#wait(delayMs);
  }

  #wait(ms: number): void {
    const delayMs = Math.min(ms, MAX_TIMER_MS);
    this.#dueAtMs = performance.now() + delayMs;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      // Others may have come since, or pages may have ended, so that all must wait for longer (D3).
      const restMs = this.#plannedAtMs + this.#baseMs * this.#budget.stretch - performance.now();
      if (restMs > this.#minMs) this.#wait(restMs);
      else this.#onDue();
    }, delayMs);
  }

  /** Sets no time for a next read, since one is under way or none is needed. */
  rest(): void {
    clearTimeout(this.#timer);
    this.#claim.release();
  }

  /** A read begins, be it due or not. */
  hold(): void {
    clearTimeout(this.#timer);
  }
}
