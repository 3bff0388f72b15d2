/** Times in milliseconds. */
export interface BackOffOptions {
  readonly minMs: number;
  readonly maxMs: number;
}

/** Times between attempts: each twice the one before, within bounds. */
export interface BackOff {
  /** The time to wait before the next attempt, ±20 %, so that replicas do not attempt together. */
  nextMs(): number;
}

const GROWTH = 2;
const JITTER = 0.2;

export function createBackOff({ minMs, maxMs }: BackOffOptions): BackOff {
  let delayMs = minMs;
  return {
    nextMs() {
      const nextMs = delayMs * (1 - JITTER + Math.random() * 2 * JITTER);
      delayMs = Math.min(delayMs * GROWTH, maxMs);
      return nextMs;
    },
  };
}
