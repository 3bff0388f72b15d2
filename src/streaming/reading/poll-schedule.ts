import { jittered } from "./jitter.ts";

/** Times in milliseconds. */
export interface PollIntervals {
  readonly minMs: number;
  readonly maxMs: number;
}

/** The interval as a share of the time since the last change. */
const SHARE = 1 / 8;

/** What the interval depends on. Times by `performance.now()`. */
type State =
  /** Reads succeed; the last change was seen then. */
  | { readonly kind: "reading"; readonly changedAtMs: number }
  /** So many reads in a row have failed. */
  | { readonly kind: "failing"; readonly failures: number; readonly changedAtMs: number };

/**
 * When one operation is read next.
 *   POLL-1. The interval is an eighth of the time since the last change, between `minMs` and `maxMs`;
 *       while reads fail it doubles from `minMs` up to `maxMs`.
 *   POLL-2. A read by itself has ±15 % jitter. Operations that a sweep has refreshed together stay
 *       together, so that the next sweep serves them all again.
 */
export class PollSchedule {
  readonly #intervals: PollIntervals;
  #state: State = { kind: "reading", changedAtMs: performance.now() };
  #dueAtMs = Number.POSITIVE_INFINITY;

  constructor(intervals: PollIntervals) {
    this.#intervals = intervals;
  }

  /** By `performance.now()`; infinity while no read is planned. */
  get dueAtMs(): number {
    return this.#dueAtMs;
  }

  /** The present time between two reads, in milliseconds. */
  get intervalMs(): number {
    const { minMs, maxMs } = this.#intervals;
    const wanted =
      this.#state.kind === "failing"
        ? minMs * 2 ** this.#state.failures
        : (performance.now() - this.#state.changedAtMs) * SHARE;
    return Math.min(maxMs, Math.max(minMs, wanted));
  }

  /** A read has found a change, or there is another reason to read again soon. */
  changed(): void {
    this.#state = { kind: "reading", changedAtMs: performance.now() };
  }

  /** A read has succeeded and found nothing new. */
  quiet(): void {
    if (this.#state.kind === "reading") return;
    this.#state = { kind: "reading", changedAtMs: this.#state.changedAtMs };
  }

  failed(): void {
    const { changedAtMs } = this.#state;
    const failures = this.#state.kind === "failing" ? this.#state.failures + 1 : 1;
    this.#state = { kind: "failing", failures: Math.min(failures, 30), changedAtMs };
  }

  /** Plans the next read. @param together whether this one came with others (POLL-2) */
  plan(together: boolean): void {
    const { intervalMs } = this;
    this.#dueAtMs = performance.now() + (together ? intervalMs : jittered(intervalMs));
  }

  stop(): void {
    this.#dueAtMs = Number.POSITIVE_INFINITY;
  }
}
