const GROWTH = 1.5;
const JITTER = 0.15;

/** Times in milliseconds. */
export interface BackOffOptions {
  readonly minMs: number;
  readonly maxMs: number;
}

/** The interval of one watcher: shortest after a change, half as long again after each quiet read. */
export class BackOff {
  readonly #options: BackOffOptions;
  #intervalMs: number;

  constructor(options: BackOffOptions) {
    this.#options = options;
    this.#intervalMs = options.minMs;
  }

  get intervalMs(): number {
    return this.#intervalMs;
  }

  reset(): void {
    this.#intervalMs = this.#options.minMs;
  }

  grow(): void {
    this.#intervalMs = Math.min(this.#intervalMs * GROWTH, this.#options.maxMs);
  }
}

/** `ms` ±15 %, so that what began together does not stay together. */
export function jittered(ms: number): number {
  return Math.round(ms * (1 - JITTER + Math.random() * 2 * JITTER));
}
