/** Why a stream ends; the last thing its client is told. */
export type ByeReason =
  /** All it carried is over, and the client was told. */
  | "terminal"
  /** It has reached its age; another one goes on from its cursor. */
  | "rotate"
  /** This process is about to end, or takes no more streams. */
  | "drain"
  /** The client does not take what it is sent. */
  | "slow"
  /** The operation was purged while it was watched. */
  | "gone"
  /** There is no such operation; the scheduler did not answer before the stream had begun. */
  | "not-found";

/** The last message of a stream. */
export interface Bye {
  readonly type: "bye";
  readonly reason: ByeReason;
  /** Whether to connect again, with the last cursor. */
  readonly reconnect: boolean;
  /** When, if so, in milliseconds. */
  readonly retry_ms: number;
}

/** Reconnections spread over this range, so that clients cut off together come back apart. */
const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 3000;

/** @param withinMs spreads the reconnections of many clients that are sent away together */
export function createBye(reason: ByeReason, withinMs = RETRY_MAX_MS): Bye {
  const reconnect = reason === "rotate" || reason === "drain" || reason === "slow";
  return { type: "bye", reason, reconnect, retry_ms: reconnectMs(withinMs) };
}

/** A time to reconnect for one client, in milliseconds. */
export function reconnectMs(withinMs = RETRY_MAX_MS): number {
  const spreadMs = Math.max(withinMs, RETRY_MAX_MS) - RETRY_MIN_MS;
  return Math.round(RETRY_MIN_MS + Math.random() * spreadMs);
}
