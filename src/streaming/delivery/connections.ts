import type { Access } from "../../access.ts";
import type { Requester } from "../reading/fair-queue.ts";
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

/** Streams of all transports at a time; further clients are sent elsewhere, or to a later time. */
export interface ConnectionLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerCaller: number;
}

/** All open streams of this process, until their sockets have closed, and the one timer they share. */
export class Connections {
  /** With what their clients may do: a stream ends with the credential. */
  readonly #open = new Map<Connection, Access>();
  /** Streams by caller, requested ones included. */
  readonly #callers = new Map<string, number>();
  readonly #limits: ConnectionLimits;
  #requested = 0;
  #timer: NodeJS.Timeout | undefined;
  #draining = false;
  #isOverloaded = (): boolean => false;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Whether a caller may have one stream more at this process. */
  hasRoomFor({ access: { caller } }: Requester): boolean {
    return (
      !this.#draining &&
      !this.#isOverloaded() &&
      this.#open.size + this.#requested < this.#limits.maxConnections &&
      this.callerHasRoom(caller)
    );
  }

  /** Whether a caller may have one stream more, where that has its place at this process already. */
  callerHasRoom(caller: string): boolean {
    return (this.#callers.get(caller) ?? 0) < this.#limits.maxConnectionsPerCaller;
  }

  /** New clients are also sent elsewhere while this returns `true`. */
  refuseWhile(isOverloaded: () => boolean): void {
    this.#isOverloaded = isOverloaded;
  }

  /** Whether this process is shutting down. */
  get draining(): boolean {
    return this.#draining;
  }

  /** A stream was requested that may open later: it has its place until `settle`. */
  request({ access: { caller } }: Requester): void {
    this.#requested += 1;
    this.#count(caller, 1);
  }

  /** A requested stream has opened, which `add` counts, or will not open. */
  settle({ access: { caller } }: Requester): void {
    this.#requested -= 1;
    this.#count(caller, -1);
  }

  /** Counts an open stream for a caller. Called again, it has another credential from now on. */
  add(connection: Connection, { access }: Requester): void {
    const former = this.#open.get(connection);
    if (former !== undefined) this.#count(former.caller, -1);
    this.#count(access.caller, 1);
    this.#open.set(connection, access);
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS);
  }

  remove(connection: Connection): void {
    const access = this.#open.get(connection);
    if (access === undefined) return;
    this.#count(access.caller, -1);
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
    for (const connection of [...this.#open.keys()]) connection.bye("drain", graceMs);
  }

  #count(caller: string, change: 1 | -1): void {
    const count = (this.#callers.get(caller) ?? 0) + change;
    if (count > 0) this.#callers.set(caller, count);
    else this.#callers.delete(caller);
  }

  #tick(): void {
    const nowMs = performance.now();
    const nowEpochMs = Date.now();
    for (const [connection, access] of this.#open) {
      if (access.hasEnded(nowEpochMs)) connection.bye("auth_expired");
      if (nowMs >= connection.dueAtMs) connection.tick(nowMs);
    }
  }
}
