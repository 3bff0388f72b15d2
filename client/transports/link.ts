import type { Http } from "../http.ts";
import { ProblemError } from "../problem.ts";
import { SilenceError, within } from "../retry.ts";
import type { Place, Source } from "../source.ts";
import type { Message } from "../wire.ts";
import { EventStreams } from "./event-streams.ts";
import { WebSockets } from "./websocket.ts";

export type Transport = "websocket" | "sse" | "long-poll";

/** One attempt to receive a source: what arrives until its connection ends. */
export interface Link {
  open(source: Source, place: Place, signal: AbortSignal): AsyncGenerator<Message, void>;
}

/** Time to the first byte. The server sends one after 2 s at the latest. */
const OPEN_WITHIN_MS = 10_000;
const HEARTBEAT_MS = 15_000;
/** Silence after which a connection is dead, in heartbeats. @see PROTOCOL.md, section 4 */
const DEAD_AFTER_HEARTBEATS = 2.5;
const LONG_POLL_S = 25;

/**
 * The messages of `attempt`, while they come.
 * @throws SilenceError when nothing arrives for too long, however open its connection seems
 */
export async function* whileAlive(
  attempt: AsyncGenerator<Message, void>,
  signal: AbortSignal,
  openWithinMs = OPEN_WITHIN_MS,
): AsyncGenerator<Message, void> {
  let [waitMs, heartbeatMs] = [openWithinMs, HEARTBEAT_MS];
  try {
    for (;;) {
      // Only waiting counts as silence, not the time that the receiver takes.
      const { done, value } = await within(attempt.next(), waitMs, signal);
      if (done) return;
      heartbeatMs = value.heartbeat_ms ?? heartbeatMs;
      waitMs = DEAD_AFTER_HEARTBEATS * heartbeatMs;
      yield value;
    }
  } finally {
    attempt.return().catch(() => undefined);
  }
}

/** Connections of this page or process to the server, over the first transport that works. */
export class DirectLink implements Link {
  readonly #http: Http;
  readonly #sockets: WebSockets;
  readonly #streams: EventStreams;
  readonly #polls: EventStreams;
  readonly #transports: readonly Transport[];
  /** The one to try next. It is kept while it works. */
  #next = 0;

  constructor(http: Http, transport: Transport | "auto") {
    this.#http = http;
    this.#sockets = new WebSockets(http);
    this.#streams = new EventStreams(http);
    this.#polls = new EventStreams(http, LONG_POLL_S);
    const possible: readonly Transport[] =
      "WebSocket" in globalThis ? ["websocket", "sse", "long-poll"] : ["sse", "long-poll"];
    this.#transports = transport === "auto" ? possible : [transport];
  }

  async *open(source: Source, place: Place, signal: AbortSignal): AsyncGenerator<Message, void> {
    const index = this.#next % this.#transports.length;
    const transport = this.#transports[index] as Transport;
    // Aborted with the attempt, so that no request outlives it.
    const attempt = new AbortController();
    const onAbort = () => attempt.abort(signal.reason);
    signal.addEventListener("abort", onAbort);
    let received = false;
    try {
      const messages = this.#over(transport).follow(source, place, attempt.signal);
      // A proxy that holds an answer back passes it on at its end.
      const heldMs = transport === "long-poll" ? 1000 * LONG_POLL_S : 0;
      for await (const message of whileAlive(messages, signal, OPEN_WITHIN_MS + heldMs)) {
        if (!received) this.#http.accept();
        received = true;
        yield { ...message, transport };
      }
    } catch (error) {
      const muted = error instanceof SilenceError;
      if (muted) this.#sockets.retire();
      // A WebSocket that does not open says no more; other transports show what is the matter.
      if (muted || (transport === "websocket" && !received)) this.#next = index + 1;
      // The server cannot be reached at all, so this says nothing about the transports before.
      else if (!received && !(error instanceof ProblemError)) this.#next = 0;
      throw error;
    } finally {
      signal.removeEventListener("abort", onAbort);
      attempt.abort();
    }
  }

  #over(transport: Transport): WebSockets | EventStreams {
    if (transport === "websocket") return this.#sockets;
    return transport === "sse" ? this.#streams : this.#polls;
  }
}
