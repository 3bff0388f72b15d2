import type { StreamOptions } from "./stream-context.ts";

/** Streams opened together are rotated apart: their ages differ by up to this share. */
const ROTATION_SPREAD = 0.2;
/** And their heartbeats lie apart by up to this share of the interval, not all in one moment. */
const HEARTBEAT_SPREAD = 0.5;

/** What one stream does by the clock. It has no timer: its connection asks it on every tick. */
export class StreamClock {
  readonly #heartbeatMs: number;
  readonly #rotateAtMs: number;
  #heartbeatAtMs: number;

  constructor({ heartbeatMs, streamMaxAgeMs }: StreamOptions, nowMs: number) {
    const spread = 1 - ROTATION_SPREAD + Math.random() * 2 * ROTATION_SPREAD;
    this.#heartbeatMs = heartbeatMs;
    this.#heartbeatAtMs = nowMs + heartbeatMs * (1 - Math.random() * HEARTBEAT_SPREAD);
    this.#rotateAtMs = nowMs + streamMaxAgeMs * spread;
  }

  /** When there is something to do next, in epoch milliseconds. */
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
