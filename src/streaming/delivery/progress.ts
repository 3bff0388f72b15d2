import type { Socket } from "node:net";
import { unacknowledgedBytes } from "./kernel-queue.ts";

/** Time without a byte taken after which a client counts as stalled. */
const STALLED_MS = 10_000;
/** After this time without progress that Node can see, the kernel is asked. */
const ASK_KERNEL_AFTER_MS = 2000;
/** The slowest rate at which a client is waited for, where something has an end: 8 kB/s. */
export const MIN_BYTES_PER_MS = 8;

/**
 * How a client takes what it is sent. Every response is sent for as long as its client took at least
 * one byte in the last 10 s; what has an end also at no less than 8 kB/s on average. To be asked every
 * second or so while something is unsent. Times are of `performance.now()`.
 */
export class Progress {
  readonly #socket: Socket;
  readonly #startBytes: number;
  readonly #startMs: number;
  #takenBytes: number;
  #takenAtMs: number;
  #unacknowledgedBytes: number | undefined;

  constructor(socket: Socket, nowMs: number) {
    this.#socket = socket;
    this.#startBytes = takenBytes(socket);
    this.#startMs = nowMs;
    this.#takenBytes = this.#startBytes;
    this.#takenAtMs = nowMs;
  }

  /** Whether it took nothing for 10 s. */
  isStalled(nowMs: number): boolean {
    if (this.#hasTaken(nowMs)) this.#takenAtMs = nowMs;
    return nowMs - this.#takenAtMs >= STALLED_MS;
  }

  /** Whether it took nothing for 10 s, or is slower than 8 kB/s by more than that. */
  isTooSlow(nowMs: number): boolean {
    const isStalled = this.isStalled(nowMs);
    const dueMs = (this.#takenBytes - this.#startBytes) / MIN_BYTES_PER_MS;
    return isStalled || nowMs - this.#startMs >= STALLED_MS + dueMs;
  }

  #hasTaken(nowMs: number): boolean {
    const formerBytes = this.#takenBytes;
    this.#takenBytes = takenBytes(this.#socket);
    if (this.#takenBytes > formerBytes) return true;
    if (nowMs - this.#takenAtMs < ASK_KERNEL_AFTER_MS) return false;
    const formerly = this.#unacknowledgedBytes ?? 0;
    this.#unacknowledgedBytes = unacknowledgedBytes(this.#socket);
    return this.#unacknowledgedBytes < formerly;
  }
}

/** What the kernel has taken of everything written to a socket. */
function takenBytes(socket: Socket): number {
  return socket.bytesWritten - socket.writableLength;
}
