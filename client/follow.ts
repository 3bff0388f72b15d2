import { ProblemError } from "./problem.ts";
import { backOffMs, pause } from "./retry.ts";
import { advance, type Place, type Source } from "./source.ts";
import type { Link, Transport } from "./transports/link.ts";
import { watchForWake } from "./wake.ts";
import type { Message } from "./wire.ts";

/** Before the server has said another time. */
const RETRY_MS = 1000;

/** How up to date what was received is. */
export type ConnectionState =
  | { readonly kind: "connecting" }
  /** No change older than `as_of` is missing; `null` until the first state is known. */
  | { readonly kind: "live"; readonly as_of: string | null; readonly transport: Transport }
  /** The stream is open, and the server cannot read the scheduler. */
  | { readonly kind: "stale"; readonly as_of: string | null; readonly transport: Transport }
  /** Not connected. The next attempt is made at `at`, in epoch milliseconds. */
  | { readonly kind: "retrying"; readonly at: number; readonly error?: unknown }
  | { readonly kind: "closed" };

export interface FollowOptions {
  /** Ends it: the iteration throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly onState?: ((state: ConnectionState) => void) | undefined;
}

/**
 * Everything about a source from a place on, through any number of connections, until its end.
 *   FOLLOW-1. It ends after a `bye` that says so, and by nothing else. A stream that breaks is resumed.
 *   FOLLOW-2. A state is yielded once, on whatever transports it arrives.
 * @throws ProblemError for what another attempt does not change
 */
export async function* follow(
  link: Link,
  source: Source,
  place: Place,
  { signal, onState }: FollowOptions,
): AsyncGenerator<Message, void> {
  const stopped = signal ?? new AbortController().signal;
  let failures = 0;
  let retryMs = RETRY_MS;
  let attempt = new AbortController();
  const restart = () => attempt.abort();
  const stopWaiting = watchForWake(restart);
  stopped.addEventListener("abort", restart);
  const show = stateOf(onState);
  try {
    for (;;) {
      stopped.throwIfAborted();
      show.connecting();
      let pauseMs: number | undefined;
      let cause: unknown;
      try {
        for await (const message of link.open(source, place, attempt.signal)) {
          // 0, after a long-poll, is for the next attempt alone: a server that is down would get them without a pause.
          retryMs = message.retry_ms || retryMs;
          if (message.type === "bytes") continue;
          failures = 0;
          show.message(message);
          if (message.type === "bye") {
            if (!message.reconnect) {
              yield message;
              return; // FOLLOW-1
            }
            pauseMs = message.retry_ms;
            break;
          }
          if (advance(source, place, message)) yield message; // FOLLOW-2
        }
      } catch (error) {
        if (error instanceof ProblemError && !error.mayRepeat) throw error;
        cause = error;
      }
      // Woken up: at once.
      if (!attempt.signal.aborted) {
        pauseMs ??= backOffMs(failures++, retryMs);
        if (cause instanceof ProblemError) pauseMs = Math.max(pauseMs, cause.retryAfterMs);
        show.retrying(pauseMs, cause);
        await pause(pauseMs, attempt.signal);
      }
      attempt = new AbortController();
    }
  } finally {
    stopWaiting();
    stopped.removeEventListener("abort", restart);
    attempt.abort();
    show.closed();
  }
}

/** Calls `onState` with each state that differs from the one before. */
function stateOf(onState: ((state: ConnectionState) => void) | undefined) {
  let as_of: string | null = null;
  let kind: "live" | "stale" = "live";
  /** `as_of` of the first heartbeat of an outage. */
  let outageAsOf: string | null | undefined;
  let shown = "";
  const show = (state: ConnectionState) => {
    const text = JSON.stringify(state);
    if (text !== shown) onState?.(state);
    shown = text;
  };
  return {
    connecting() {
      kind = "live";
      show({ kind: "connecting" });
    },
    closed: () => show({ kind: "closed" }),
    retrying: (ms: number, error: unknown) =>
      show({ kind: "retrying", at: Date.now() + ms, ...(error !== undefined && { error }) }),
    message({ problem, operation, transport, ...message }: Message) {
      if (message.as_of !== undefined) as_of = message.as_of;
      // @see PROTOCOL.md, section 4, on as_of: what shows that the scheduler answers again.
      if (problem && problem.status >= 500) {
        kind = "stale";
        outageAsOf = undefined;
      } else if (operation) kind = "live";
      else if (kind === "stale" && message.as_of !== undefined) {
        if (outageAsOf === undefined) outageAsOf = as_of;
        else if (as_of !== null && as_of > (outageAsOf ?? "")) kind = "live";
      }
      show({ kind, as_of, transport: transport as Transport });
    },
  };
}
