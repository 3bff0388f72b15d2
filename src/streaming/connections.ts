import type { ByeReason } from "./bye.ts";

/** One open stream of any transport. */
export interface Connection {
  /** Before that, in epoch milliseconds, it has nothing to do by the clock. */
  readonly dueAtMs: number;
  /** Gives it the time, for all it does by the clock. Called a little later than it was due. */
  tick(nowMs: number): void;
  /**
   * Says goodbye and ends. Calls after the first do nothing.
   * @param retryWithinMs the time over which the clients sent away are to come back
   */
  bye(reason: ByeReason, retryWithinMs?: number): void;
}

/** How often a stream looks whether its client takes what is unsent. */
export const CHECK_EVERY_MS = 1000;
/** How finely streams keep time. */
const TICK_MS = 250;

/** All open streams of this process, and the one timer that they share. */
export class Connections {
  readonly #open = new Set<Connection>();
  #timer: NodeJS.Timeout | undefined;
  #draining = false;
  readonly #maxConnections: number;

  /** @param maxConnections streams of all transports; beyond it, new ones are sent elsewhere */
  constructor(maxConnections: number) {
    this.#maxConnections = maxConnections;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Whether new streams are to be sent elsewhere. */
  get full(): boolean {
    return this.#draining || this.#open.size >= this.#maxConnections;
  }

  /** Whether this process is about to end. */
  get draining(): boolean {
    return this.#draining;
  }

  add(connection: Connection): void {
    this.#open.add(connection);
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  remove(connection: Connection): void {
    this.#open.delete(connection);
    if (this.#open.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /**
   * Sends every client away, and those that come from now on; they will find another replica, or
   * this one after its restart, at times spread over `graceMs`.
   */
  drain(graceMs: number): void {
    this.#draining = true;
    for (const connection of [...this.#open]) connection.bye("drain", graceMs);
  }

  #tick(): void {
    const nowMs = Date.now();
    for (const connection of this.#open) {
      if (nowMs >= connection.dueAtMs) connection.tick(nowMs);
    }
  }
}
