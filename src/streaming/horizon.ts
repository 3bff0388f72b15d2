/** How far reads may lag behind, and the clocks that date changes may differ, in milliseconds. */
const LAG_MS = 5000;
/** How finely time is kept. */
const STEP_MS = 500;

/**
 * Up to when changes have been seen, by the scheduler's own clock: the newest date that any read had
 * brought 5 s ago. Since then whatever answers a read had time to learn of all changes that were dated
 * before it; the present newest date would be one that a read of another operation may not know yet.
 */
export class Horizon {
  #newestMs = 0;
  #settledMs = 0;
  /** The newest dates of the last few steps, oldest first, each with the time at which it came. */
  readonly #recent: { readonly beganAtMs: number; ms: number; seenAtMs: number }[] = [];

  /** Takes the date of a change that a read has brought, in epoch milliseconds. */
  advance(dateMs: number, nowMs = performance.now()): void {
    if (dateMs <= this.#newestMs) return;
    this.#newestMs = dateMs;
    this.#settle(nowMs);
    const last = this.#recent.at(-1);
    if (last && nowMs - last.beganAtMs < STEP_MS) {
      last.ms = dateMs;
      last.seenAtMs = nowMs;
    } else this.#recent.push({ beganAtMs: nowMs, ms: dateMs, seenAtMs: nowMs });
  }

  /** In epoch milliseconds; 0 while nothing is known. */
  settledMs(nowMs = performance.now()): number {
    this.#settle(nowMs);
    return this.#settledMs;
  }

  #settle(nowMs: number): void {
    while (this.#recent[0] && nowMs - this.#recent[0].seenAtMs >= LAG_MS) {
      this.#settledMs = this.#recent.shift()?.ms ?? this.#settledMs;
    }
  }
}
