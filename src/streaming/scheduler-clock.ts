/** Finer than this, in milliseconds, the difference is not searched for. */
const FINE_MS = 20;

/**
 * Tells when, by our clock, a read must be sent to find what the scheduler dates by its own. How far
 * the clocks differ, and how long a change takes to be readable, nobody tells; but of two reads in a
 * row the one has not found a change and the other has, and each such pair narrows what it can be.
 */
export class SchedulerClock {
  /** A read sent this long after a date has not found the change, in milliseconds. */
  #tooEarlyMs = Number.NaN;
  /** And one sent this long after has. */
  #inTimeMs = Number.NaN;

  /**
   * A read sent at `foundMs` has found a change that one sent at `missedMs` had not.
   * @param dateMs the change's date by the scheduler, in epoch milliseconds; ours are `performance.now()`
   */
  learn(dateMs: number, missedMs: number, foundMs: number): void {
    const tooEarlyMs = missedMs - dateMs;
    const inTimeMs = foundMs - dateMs;
    const agrees = tooEarlyMs < this.#inTimeMs && inTimeMs > this.#tooEarlyMs;
    // What does not agree is no longer true: a clock was set, or the scheduler is slower now.
    this.#tooEarlyMs = agrees ? Math.max(tooEarlyMs, this.#tooEarlyMs) : tooEarlyMs;
    this.#inTimeMs = agrees ? Math.min(inTimeMs, this.#inTimeMs) : inTimeMs;
  }

  /** When to send a read that is to find a change of this date; NaN before anything was learnt. */
  readAtMs(dateMs: number): number {
    const rangeMs = this.#inTimeMs - this.#tooEarlyMs;
    return dateMs + this.#inTimeMs - (rangeMs > FINE_MS ? rangeMs / 2 : 0);
  }
}
