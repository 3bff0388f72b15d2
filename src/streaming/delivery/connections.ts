import type { ByeReason } from "./bye.ts";

/** One open stream of any transport. Times are of `performance.now()`. */
export interface Connection {
  /** Until then `tick` has nothing to do. */
  readonly dueAtMs: number;
  /** Does what is due. May be called somewhat later than `dueAtMs`. */
  tick(nowMs: number): void;
  /**
   * Sends the last event and ends. Later calls only limit how long a client may take to receive it.
   * @param retryWithinMs the time over which the reconnects of many clients are spread
   */
  bye(reason: ByeReason, retryWithinMs?: number): void;
}

/** Time between two checks of a stream with unsent bytes. */
export const CHECK_EVERY_MS = 1000;
/** How long clients may take to receive the last event where this process is shutting down. */
export const DRAIN_WITHIN_MS = 2000;
/** Resolution of all timing of streams. */
const TICK_MS = 250;

/** All open streams of this process, until their sockets have closed, and the one timer they share. */
export class Connections {
  readonly #open = new Set<Connection>();
  #timer: NodeJS.Timeout | undefined;
  #draining = false;
  readonly #maxConnections: number;

  /** @param maxConnections streams of all transports; further clients are sent elsewhere */
  constructor(maxConnections: number) {
    this.#maxConnections = maxConnections;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Whether new clients are sent elsewhere. */
  get full(): boolean {
    return this.#draining || this.#open.size >= this.#maxConnections;
  }

  /** Whether this process is shutting down. */
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
   * Sends every client away, and all new ones from now on. They reconnect to another replica, or to
   * this one after its restart, at times spread over `graceMs`.
   */
  drain(graceMs: number): void {
    this.#draining = true;
    for (const connection of [...this.#open]) connection.bye("drain", graceMs);
  }

  #tick(): void {
    const nowMs = performance.now();
    for (const connection of this.#open) {
      if (nowMs >= connection.dueAtMs) connection.tick(nowMs);
    }
  }
}
