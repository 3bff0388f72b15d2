/** How far reads may lag, and the clocks of a scheduler's nodes may differ, in milliseconds. */
const LAG_MS = 5000;
/** Granularity of the record of recent dates. */
const STEP_MS = 500;

/** A date that a read returned, with the time (`performance.now()`) at which it was first seen. */
interface Dated {
  readonly dateMs: number;
  readonly seenAtMs: number;
}

/**
 * Up to which date all changes have been seen, by the scheduler's own clock: the newest date that any
 * read had returned 5 s ago. By now, whatever answers reads has had time to learn of all changes with
 * earlier dates; the newest date itself may belong to a change that reads of other operations miss.
 *   HORIZON-1. A change that was made after the horizon was seen, yet is dated before it, proves that
 *       the scheduler's clock was set back. The horizon then starts again from that change, and until
 *       the clock has caught up only changes move it: other dates may be from before.
 */
export class Horizon {
  #newestMs = 0;
  #settled: Dated = { dateMs: 0, seenAtMs: 0 };
  /** The newest date from before the clock was set back, until it has caught up. */
  #setBackFromMs: number | undefined;
  /** The newest dates of the last few steps, oldest first. */
  #recent: { readonly beganAtMs: number; dateMs: number; seenAtMs: number }[] = [];

  /** Takes a date that a read returned, in epoch milliseconds. */
  observe(dateMs: number, nowMs = performance.now()): void {
    if (this.#setBackFromMs !== undefined && dateMs <= this.#setBackFromMs) return;
    this.#setBackFromMs = undefined;
    this.#advance(dateMs, nowMs);
  }

  /** Takes the date of a change that was made after `afterMs`, by `performance.now()`. */
  observeChange(dateMs: number, afterMs: number, nowMs = performance.now()): void {
    this.#settle(nowMs);
    if (dateMs < this.#settled.dateMs && afterMs >= this.#settled.seenAtMs) {
      this.#setBackFromMs ??= this.#newestMs; // HORIZON-1
      this.#newestMs = dateMs;
      this.#settled = { dateMs: dateMs - LAG_MS, seenAtMs: nowMs };
      this.#recent = [];
    } else this.#advance(dateMs, nowMs);
  }

  /** Reads sent now list all that was created before this date, in epoch milliseconds. */
  get listedThroughMs(): number {
    return Math.max(0, this.#newestMs - LAG_MS);
  }

  /** In epoch milliseconds; 0 while nothing is known. */
  settledMs(nowMs = performance.now()): number {
    this.#settle(nowMs);
    return this.#settled.dateMs;
  }

  /** Whether a horizon that a client was given can still be compared with the scheduler's dates. */
  isValid(throughMs: number): boolean {
    return this.#setBackFromMs === undefined || throughMs <= this.#newestMs;
  }

  #advance(dateMs: number, nowMs: number): void {
    if (dateMs <= this.#newestMs) return;
    this.#newestMs = dateMs;
    this.#settle(nowMs);
    const last = this.#recent.at(-1);
    if (last && nowMs - last.beganAtMs < STEP_MS) {
      last.dateMs = dateMs;
      last.seenAtMs = nowMs;
    } else this.#recent.push({ beganAtMs: nowMs, dateMs, seenAtMs: nowMs });
  }

  #settle(nowMs: number): void {
    for (;;) {
      const [first] = this.#recent;
      if (!first || nowMs - first.seenAtMs < LAG_MS) return;
      this.#settled = { dateMs: first.dateMs, seenAtMs: first.seenAtMs };
      this.#recent.shift();
    }
  }
}
