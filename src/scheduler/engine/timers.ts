/**
 * Fires the timers of the file when they are due.
 *
 *   TIMER-1. No polling: nothing runs while no timer is pending.
 *   TIMER-2. A timer never fires early, however far in the future it is.
 */

import { now } from "../clock.ts";

/**
 * Longest single timeout; longer waits take several. setTimeout fires at once beyond 2^31 ms
 * (TIMER-2), and does not notice that the machine slept or that the wall clock was set forward.
 */
const LONGEST_TIMEOUT_MS = 60_000;
/** Pause before another attempt when timers could not be fired. */
const RETRY_MS = 1000;

export interface TimersOptions {
  readonly nextDueMs: () => number | undefined;
  /** Fires one batch of due timers; settles when that is durable. */
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

  /** Call when a timer was added. */
  added(dueMs: number): void {
    if (dueMs < this.#dueMs) this.#arm(dueMs);
  }

  /** Waits for the next timer in the file. */
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
    if (nowMs < this.#dueMs) return this.#arm(this.#dueMs); // one part of a long wait, or a coarse clock
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
