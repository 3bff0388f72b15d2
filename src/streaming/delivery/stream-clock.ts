import type { StreamOptions } from "./stream-context.ts";

/** Streams opened together are rotated apart: their ages differ by up to this share. */
const ROTATION_SPREAD = 0.2;
/** Their first heartbeats differ by up to this share of the interval. */
const HEARTBEAT_SPREAD = 0.5;

/**
 * When one stream sends heartbeats and is rotated. It has no timer: its connection asks it on every
 * tick. Times are of `performance.now()`, so that a wall clock that is set changes nothing.
 */
export class StreamClock {
  readonly #heartbeatMs: number;
  readonly #rotateAtMs: number;
  #heartbeatAtMs: number;

  /** @param endsAfterMs the age at which this one ends; default: that of all streams, with a spread */
  constructor({ heartbeatMs, streamMaxAgeMs }: StreamOptions, nowMs: number, endsAfterMs?: number) {
    const spread = 1 - ROTATION_SPREAD + Math.random() * 2 * ROTATION_SPREAD;
    this.#heartbeatMs = heartbeatMs;
    this.#heartbeatAtMs = nowMs + heartbeatMs * (1 - Math.random() * HEARTBEAT_SPREAD);
    this.#rotateAtMs = nowMs + (endsAfterMs ?? streamMaxAgeMs * spread);
  }

  /** When the next of both is due. */
  get dueAtMs(): number {
    return Math.min(this.#heartbeatAtMs, this.#rotateAtMs);
  }

  isTimeToRotate(nowMs: number): boolean {
    return nowMs >= this.#rotateAtMs;
  }

  /** True once for each heartbeat. */
  isTimeToBeat(nowMs: number): boolean {
    if (nowMs < this.#heartbeatAtMs) return false;
    this.#heartbeatAtMs = nowMs + this.#heartbeatMs;
    return true;
  }
}
