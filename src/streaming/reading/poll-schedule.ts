import { jittered } from "./jitter.ts";

/** Times in milliseconds. */
export interface PollIntervals {
  readonly minMs: number;
  readonly maxMs: number;
}

/** The interval as a share of the time since the last change. */
const SHARE = 1 / 8;

/** The intervals after reads that did not show an announced change. */
const EXPECTING_MS = [50, 100, 200, 400, 800];

/** What the interval depends on. Times by `performance.now()`. */
type State =
  /** Reads succeed; the last change was seen then. */
  | { readonly kind: "reading"; readonly changedAtMs: number }
  /** A change was announced, and so many reads have not shown it. */
  | { readonly kind: "expecting"; readonly reads: number; readonly changedAtMs: number }
  /** So many reads in a row have failed. */
  | { readonly kind: "failing"; readonly failures: number; readonly changedAtMs: number };

/**
 * When one operation is read next.
 *   POLL-1. The interval is an eighth of the time since the last change, between `minMs` and `maxMs`;
 *       while reads fail it doubles from `minMs` up to `maxMs`.
 *   POLL-2. While reads do not show a change that was announced, the next five intervals are 50, 100,
 *       200, 400 and 800 ms, where POLL-1 has no shorter ones. Then POLL-1 applies again.
 *   POLL-3. A read by itself has ±15 % jitter. Operations that a sweep has refreshed together stay
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
    const usual = Math.min(maxMs, Math.max(minMs, wanted));
    if (this.#state.kind !== "expecting") return usual;
    return Math.min(usual, EXPECTING_MS[this.#state.reads - 1] ?? usual);
  }

  /** Whether a change was announced that reads have not shown. */
  get expecting(): boolean {
    return this.#state.kind === "expecting";
  }

  /** Reads will show a change: the one that is made now, or one soon. */
  announced(): void {
    this.#state = { kind: "expecting", reads: 0, changedAtMs: performance.now() };
  }

  /** The announced change has been read. */
  shown(): void {
    this.#state = { kind: "reading", changedAtMs: performance.now() };
  }

  /** A read has found a change, or there is another reason to read again soon. */
  changed(): void {
    this.#succeeded(performance.now());
  }

  /** A read has succeeded and found nothing new. */
  quiet(): void {
    this.#succeeded(this.#state.changedAtMs);
  }

  failed(): void {
    if (this.#state.kind === "expecting") return;
    const { changedAtMs } = this.#state;
    const failures = this.#state.kind === "failing" ? this.#state.failures + 1 : 1;
    this.#state = { kind: "failing", failures: Math.min(failures, 30), changedAtMs };
  }

  /** Plans the next read, after one. @param together whether this one came with others (POLL-3) */
  plan(together: boolean): void {
    if (this.#state.kind === "expecting") {
      const reads = this.#state.reads + 1;
      const { changedAtMs } = this.#state;
      this.#state =
        reads > EXPECTING_MS.length
          ? { kind: "reading", changedAtMs }
          : { kind: "expecting", reads, changedAtMs };
    }
    const { intervalMs } = this;
    this.#dueAtMs = performance.now() + (together ? intervalMs : jittered(intervalMs));
  }

  stop(): void {
    this.#dueAtMs = Number.POSITIVE_INFINITY;
  }

  #succeeded(changedAtMs: number): void {
    this.#state =
      this.#state.kind === "expecting"
        ? { ...this.#state, changedAtMs }
        : { kind: "reading", changedAtMs };
  }
}
