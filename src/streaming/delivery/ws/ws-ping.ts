import { MIN_BYTES_PER_MS } from "../progress.ts";

const PING_EVERY_MS = 20_000;
/** Beyond the time that what was sent before the ping takes at the slowest rate. */
const PONG_WITHIN_MS = 10_000;

/** Whether the client of one WebSocket still answers. Times are of `performance.now()`. */
export class WsPing {
  #pingAtMs: number;
  /** The ping that was not answered yet, behind `bytesWritten`. */
  #sent: { readonly pongDueAtMs: number; readonly bytesWritten: number } | undefined;
  /** Bytes that the client is known to have received: those before the last ping that it answered. */
  #receivedBytes = 0;

  constructor(nowMs: number) {
    this.#pingAtMs = nowMs + PING_EVERY_MS;
  }

  isDue(nowMs: number): boolean {
    return nowMs >= this.#pingAtMs && !this.#sent;
  }

  /** Whether the client has not answered in time. */
  isLate(nowMs: number): boolean {
    return this.#sent !== undefined && nowMs >= this.#sent.pongDueAtMs;
  }

  /** A ping is being sent, behind so many bytes of the socket. */
  onPing(nowMs: number, bytesWritten: number): void {
    const aheadMs = (bytesWritten - this.#receivedBytes) / MIN_BYTES_PER_MS;
    this.#pingAtMs = nowMs + PING_EVERY_MS;
    this.#sent = { pongDueAtMs: nowMs + PONG_WITHIN_MS + aheadMs, bytesWritten };
  }

  onPong(): void {
    this.#receivedBytes = this.#sent?.bytesWritten ?? this.#receivedBytes;
    this.#sent = undefined;
  }
}
