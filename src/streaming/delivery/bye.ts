/** Why a stream ends, as its last event says. */
export const BYE_REASONS = [
  /** All its operations are terminal, and the client was sent their last states. */
  "terminal",
  /** It has reached its maximum age; the client reconnects with its cursor. */
  "rotate",
  /** This process is shutting down, or accepts no more streams. */
  "drain",
  /** The credential has expired or was withdrawn; the client reconnects with a new one, and its cursor. */
  "auth_expired",
  /** The client does not keep up with what it is sent. */
  "slow",
  /** The operation was purged while it was watched. Of several: none of them exists any more. */
  "gone",
  /** There is no such operation; the stream had begun before the scheduler could be asked. */
  "not-found",
] as const;
export type ByeReason = (typeof BYE_REASONS)[number];

/** The last event of a stream. */
export interface Bye {
  readonly type: "bye";
  readonly reason: ByeReason;
  /** Whether to reconnect, with the last cursor. */
  readonly reconnect: boolean;
  /** The time until then, in milliseconds. */
  readonly retry_ms: number;
}

const RECONNECT: readonly ByeReason[] = ["rotate", "drain", "slow", "auth_expired"];
/** Reconnects are spread over this range, so that clients cut off together do not return together. */
const RETRY_MIN_MS = 1000;
const RETRY_MAX_MS = 3000;

/** @param withinMs the time over which the reconnects of many clients are spread; 0: at once */
export function createBye(reason: ByeReason, withinMs = RETRY_MAX_MS): Bye {
  const reconnect = RECONNECT.includes(reason);
  return { type: "bye", reason, reconnect, retry_ms: reconnectMs(withinMs) };
}

/** A time to reconnect for one client, in milliseconds. */
export function reconnectMs(withinMs = RETRY_MAX_MS): number {
  if (withinMs === 0) return 0;
  const spreadMs = Math.max(withinMs, RETRY_MAX_MS) - RETRY_MIN_MS;
  return Math.round(RETRY_MIN_MS + Math.random() * spreadMs);
}
