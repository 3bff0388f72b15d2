import { jittered } from "./jitter.ts";

/** Times in milliseconds. */
export interface PollIntervals {
  readonly minMs: number;
  readonly maxMs: number;
  /** The shortest while hints announce the changes. Default: `minMs`. */
  readonly hintedMinMs?: number;
}

/** The interval as a share of the time since the last change. */
const SHARE = 1 / 8;

/** How long hints are relied on after the last one. */
const HINTED_FOR_MS = 60_000;
/** The intervals after reads that did not show an announced change. */
const EXPECTING_MS: readonly number[] = [50, 100, 200, 400, 800];
/** The same after a hint, whose change may have been read before it came. */
const HINTED_MS: readonly number[] = [50, 100];

/** What the interval depends on. Times by `performance.now()`. */
type State =
  /** Reads succeed; the last change was seen then. */
  | { readonly kind: "reading"; readonly changedAtMs: number }
  /** A change was announced and not shown yet. The intervals after this read and those that follow. */
  | {
      readonly kind: "expecting";
      readonly pausesMs: readonly number[];
      readonly changedAtMs: number;
    }
  /** So many reads in a row have failed. */
  | { readonly kind: "failing"; readonly failures: number; readonly changedAtMs: number };

/**
 * When one operation is read next.
 *   POLL-1. The interval is an eighth of the time since the last change, between `minMs` and `maxMs`;
 *       while reads fail it doubles from `minMs` up to `maxMs`.
 *   POLL-2. While reads do not show a change that was announced, the next five intervals are 50, 100,
 *       200, 400 and 800 ms, where POLL-1 has no shorter ones. Then POLL-1 applies again.
 *   POLL-3. While hints announce the changes, `hintedMinMs` takes the place of `minMs`: until 60 s after the
 *       last hint, or a change that none has announced. After a hint POLL-2 has only
 *       its first two intervals.
 *   POLL-4. A read by itself has ±15 % jitter. Operations that a sweep has refreshed together stay
 *       together, so that the next sweep serves them all again.
 */
export class PollSchedule {
  readonly #intervals: PollIntervals;
  #state: State = { kind: "reading", changedAtMs: performance.now() };
  #dueAtMs = Number.POSITIVE_INFINITY;
  #hintedUntilMs = Number.NEGATIVE_INFINITY;

  constructor(intervals: PollIntervals) {
    this.#intervals = intervals;
  }

  /** By `performance.now()`; infinity while no read is planned. */
  get dueAtMs(): number {
    return this.#dueAtMs;
  }

  /** The present time between two reads, in milliseconds. */
  get intervalMs(): number {
    const { minMs, hintedMinMs = minMs } = this.#intervals;
    const usual = this.#intervalFrom(this.hinted ? Math.max(minMs, hintedMinMs) : minMs);
    if (this.#state.kind !== "expecting") return usual;
    return Math.min(usual, this.#state.pausesMs[0] ?? usual);
  }

  /** How many more reads there would have been in the time between two of them without hints. */
  savedIn(sinceLastMs: number): number {
    if (!this.hinted || !Number.isFinite(sinceLastMs)) return 0;
    return Math.max(0, sinceLastMs / this.#intervalFrom(this.#intervals.minMs) - 1);
  }

  /** Whether hints announce the changes. */
  get hinted(): boolean {
    return performance.now() < this.#hintedUntilMs;
  }

  /** Whether a change was announced that reads have not shown. */
  get expecting(): boolean {
    return this.#state.kind === "expecting";
  }

  /** Reads will show a change: the one that is made now, or one soon. */
  announced(): void {
    this.#expect(EXPECTING_MS);
  }

  /** A hint has come. */
  hint(): void {
    this.#hintedUntilMs = performance.now() + HINTED_FOR_MS;
    this.#expect(HINTED_MS);
  }

  /** A read has found a change that no hint had announced. */
  hintsAreMissing(): void {
    this.#hintedUntilMs = Number.NEGATIVE_INFINITY;
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

  /** Plans the next read, after one. @param together whether this one came with others (POLL-4) */
  plan(together: boolean): void {
    const { intervalMs } = this;
    this.#dueAtMs = performance.now() + (together ? intervalMs : jittered(intervalMs));
    if (this.#state.kind !== "expecting") return;
    const { changedAtMs } = this.#state;
    const [, ...pausesMs] = this.#state.pausesMs;
    this.#state =
      this.#state.pausesMs.length > 0
        ? { kind: "expecting", pausesMs, changedAtMs }
        : { kind: "reading", changedAtMs };
  }

  stop(): void {
    this.#dueAtMs = Number.POSITIVE_INFINITY;
  }

  #expect(pausesMs: readonly number[]): void {
    this.#state = { kind: "expecting", pausesMs, changedAtMs: performance.now() };
  }

  #intervalFrom(minMs: number): number {
    const wanted =
      this.#state.kind === "failing"
        ? minMs * 2 ** this.#state.failures
        : (performance.now() - this.#state.changedAtMs) * SHARE;
    return Math.min(this.#intervals.maxMs, Math.max(minMs, wanted));
  }

  #succeeded(changedAtMs: number): void {
    this.#state =
      this.#state.kind === "expecting"
        ? { ...this.#state, changedAtMs }
        : { kind: "reading", changedAtMs };
  }
}
