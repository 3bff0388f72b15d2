/** Intervals are alike while they differ by less than this share of their mean. */
const ALIKE = 0.25;
/** The weight of the last interval in the mean, and in the mean deviation. */
const GAIN = 0.25;

/**
 * The pace at which an operation changes: many report a step every so often, and the next one can be
 * foreseen once two intervals in a row were alike. Mean and mean deviation are kept in the manner of
 * RFC 6298, section 2; an interval unlike the mean begins them anew.
 */
export class Pace {
  #lastMs: number | undefined;
  #meanMs = 0;
  #deviationMs = 0;
  #even = false;

  /** The operation has changed, in epoch milliseconds by the scheduler's clock. */
  changed(dateMs: number): void {
    const intervalMs = dateMs - (this.#lastMs ?? dateMs);
    this.#lastMs = dateMs;
    const errorMs = intervalMs - this.#meanMs;
    const alike = Math.abs(errorMs) < this.#meanMs * ALIKE;
    if (!alike) {
      this.#meanMs = intervalMs;
      this.#deviationMs = 0;
    } else if (this.#even) {
      this.#deviationMs += (Math.abs(errorMs) - this.#deviationMs) * GAIN;
      this.#meanMs += errorMs * GAIN;
    } else {
      this.#deviationMs = Math.abs(errorMs);
      this.#meanMs += errorMs / 2;
    }
    this.#even = alike;
  }

  /** When the next change will most likely have happened, by the scheduler's clock, if that can be told. */
  get expectedMs(): number | undefined {
    if (!this.#even || this.#lastMs === undefined) return undefined;
    return this.#lastMs + this.#meanMs + this.#deviationMs * 2;
  }
}
