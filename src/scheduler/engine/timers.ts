/**
 * Wakes when the next timer in the file is due.
 *
 *   T1. No polling: without timers nothing runs.
 *   T2. A timer fires at or after its time, never before, however far off it is.
 */

import { now } from "../clock.ts";

/**
 * A longer wait is made in steps: setTimeout fires at once beyond 2^31 ms (T2), and it does not notice
 * that the machine has slept or that the wall clock was set forward.
 */
const LONGEST_TIMEOUT_MS = 60_000;
/** Wait before another try after the file could not be written. */
const RETRY_MS = 1000;

export interface TimersOptions {
  readonly nextDueMs: () => number | undefined;
  /** Fires what is due, at most a batch; settles when that is durable. */
  readonly fireDue: (nowMs: number) => Promise<void>;
  readonly onError: (error: unknown) => void;
}

export class Timers {
  readonly #options: TimersOptions;
  #timeout: NodeJS.Timeout | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #firing = false;
  #closed = false;

  constructor(options: TimersOptions) {
    this.#options = options;
  }

  /** A timer was added that is due then. */
  added(dueMs: number): void {
    if (dueMs < this.#dueMs) this.#arm(dueMs);
  }

  /** Looks in the file for what comes next. */
  start(): void {
    this.#arm(this.#options.nextDueMs());
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timeout);
  }

  #arm(dueMs: number | undefined): void {
    if (this.#firing || this.#closed) return;
    clearTimeout(this.#timeout);
    this.#dueMs = dueMs ?? Number.POSITIVE_INFINITY;
    if (dueMs === undefined) return;
    const delay = Math.min(Math.max(dueMs - now(), 0), LONGEST_TIMEOUT_MS);
    this.#timeout = setTimeout(() => void this.#wake(), delay);
  }

  async #wake(): Promise<void> {
    const nowMs = now();
    if (nowMs < this.#dueMs) return this.#arm(this.#dueMs); // a step of a long wait, or a coarse clock
    this.#firing = true;
    let next: number | undefined;
    try {
      await this.#options.fireDue(nowMs);
      next = this.#options.nextDueMs();
    } catch (error) {
      if (this.#closed) return;
      this.#options.onError(error);
      next = nowMs + RETRY_MS;
    } finally {
      this.#firing = false;
    }
    this.#arm(next);
  }
}
