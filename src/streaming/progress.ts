/** Time without a byte taken after which a client counts as stalled. */
const STALLED_MS = 10_000;
/** The slowest rate at which a client is waited for, where something has an end: 8 kB/s. */
export const MIN_BYTES_PER_MS = 8;

/**
 * How a client takes what it is sent. Every response is sent for as long as its client took at least
 * one byte in the last 10 s; what has an end also at no less than 8 kB/s on average.
 */
export class Progress {
  readonly #startBytes: number;
  readonly #startMs: number;
  #takenBytes: number;
  #takenAtMs: number;

  /**
   * @param takenBytes what the client has taken so far, of everything written to it
   * @param nowMs of `performance.now()`
   */
  constructor(takenBytes: number, nowMs: number) {
    this.#startBytes = takenBytes;
    this.#startMs = nowMs;
    this.#takenBytes = takenBytes;
    this.#takenAtMs = nowMs;
  }

  /** Whether it took nothing for 10 s. To be called every second or so. */
  isStalled(takenBytes: number, nowMs: number): boolean {
    if (takenBytes > this.#takenBytes) {
      this.#takenBytes = takenBytes;
      this.#takenAtMs = nowMs;
    }
    return nowMs - this.#takenAtMs >= STALLED_MS;
  }

  /** Whether it is also slower than 8 kB/s by more than 10 s. */
  isTooSlow(takenBytes: number, nowMs: number): boolean {
    const allowedMs = STALLED_MS + (takenBytes - this.#startBytes) / MIN_BYTES_PER_MS;
    return this.isStalled(takenBytes, nowMs) || nowMs - this.#startMs >= allowedMs;
  }
}
