/** Limits on reads. */
export interface ReadBudgetOptions {
  /** Reads of the scheduler per second, by this process. */
  readonly readsPerSecond: number;
}

/** HTTP/2 carries about 100 calls at once on one connection, and silently delays the rest. */
const MAX_IN_FLIGHT = 64;
/** Unused budget is kept for this long, so that a quiet second does not become a burst. */
const BURST_S = 0.1;

/**
 * The limit on all reads of this process: a token bucket.
 *   BUDGET-1. In any time t at most `readsPerSecond × (t + 0.1 s)` reads are sent, and at most 64 are
 *       in flight at once.
 *   BUDGET-2. Permits are given in the order in which they were asked for. Few wait here at a time:
 *       the reader asks for one permit after the other, a sweep and a history for one page.
 */
export class ReadBudget {
  readonly #readsPerSecond: number;
  readonly #burst: number;
  readonly #waiting: (() => void)[] = [];
  #tokens: number;
  #refilledAtMs = performance.now();
  #inFlight = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor({ readsPerSecond }: ReadBudgetOptions) {
    this.#readsPerSecond = readsPerSecond;
    this.#burst = Math.max(1, readsPerSecond * BURST_S);
    this.#tokens = this.#burst;
  }

  /** Resolves when one read may be sent. The caller sends it at once and calls `done` afterwards. */
  permit(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    this.#admit();
    return promise;
  }

  /** A read with a permit has returned. */
  done(): void {
    this.#inFlight -= 1;
    this.#admit();
  }

  #admit(): void {
    this.#refill();
    while (this.#waiting.length > 0 && this.#inFlight < MAX_IN_FLIGHT && this.#tokens >= 1) {
      this.#tokens -= 1;
      this.#inFlight += 1;
      this.#waiting.shift()?.();
    }
    // With tokens left, the limit is on reads in flight, and the next `done` continues.
    if (this.#waiting.length > 0 && this.#tokens < 1) this.#admitWhenRefilled();
  }

  #refill(): void {
    const nowMs = performance.now();
    const gained = ((nowMs - this.#refilledAtMs) / 1000) * this.#readsPerSecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + gained);
    this.#refilledAtMs = nowMs;
  }

  #admitWhenRefilled(): void {
    if (this.#timer) return;
    const delayMs = Math.ceil(((1 - this.#tokens) / this.#readsPerSecond) * 1000);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#admit();
    }, delayMs);
  }
}
