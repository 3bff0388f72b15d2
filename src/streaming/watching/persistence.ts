/** For how long reads must agree on an earlier state before it is accepted. */
const ACCEPT_AFTER_MS = 3000;
/** And how many reads must agree. */
const ACCEPT_AFTER_READS = 8;

/**
 * Distinguishes a read that lags from a scheduler whose clock was set back. Both return a state dated before
 * the one already known. A lagging read is soon followed by a current one; after a clock was set back
 * all reads keep returning the earlier date, and then it is the truth. One for each such time.
 */
export class Persistence {
  readonly #sinceMs = performance.now();
  #reads = 0;

  /** One more read returned an earlier state. @returns whether it is to be accepted */
  observe(): boolean {
    this.#reads += 1;
    const forMs = performance.now() - this.#sinceMs;
    return this.#reads >= ACCEPT_AFTER_READS && forMs >= ACCEPT_AFTER_MS;
  }
}
