import type { Socket } from "node:net";
import type { Requester } from "../reading/fair-queue.ts";
import type { StreamContext } from "./stream-context.ts";

/** The request that a stream began with. */
export interface StreamRequester extends Requester {
  /** The id of the request in the log. */
  readonly requestId: string;
}

/**
 * What is counted and logged of one stream.
 *   RECORD-1. The log has one line when a stream opens, and one when its socket has closed. A client that
 *             is turned away has only the second one.
 *   RECORD-2. A stream counts as a connection until its socket has closed.
 */
export class StreamRecord {
  readonly #context: StreamContext;
  readonly #transport: "sse" | "ws";
  readonly #requestId: string;
  readonly #caller: string;
  readonly #socket: Socket;
  /** Rounded, because an integer takes no memory of its own. */
  readonly #openedAtMs = Math.round(performance.now());
  readonly #bytesBefore: number;
  #events = 0;
  #coalesced = 0;
  #endReason: string | undefined;

  constructor(
    context: StreamContext,
    transport: "sse" | "ws",
    { requestId, access }: StreamRequester,
    socket: Socket,
  ) {
    this.#context = context;
    this.#transport = transport;
    this.#requestId = requestId;
    this.#caller = access.caller;
    this.#socket = socket;
    this.#bytesBefore = socket.bytesWritten;
    context.metrics.connections.inc({ transport });
  }

  /** Whether it has ended, on whichever side. */
  get ended(): boolean {
    return this.#endReason !== undefined;
  }

  /** It has opened, and not only to turn its client away. */
  opened(subject: object): void {
    this.#context.log.info({ ...this.#about(), ...subject }, "stream opened");
  }

  /** One event was sent. @param coalesced changes that were merged into it */
  sent(type: string, coalesced: number): void {
    this.#events += 1;
    this.#coalesced += coalesced;
    this.#context.metrics.events.count(type, this.#transport);
  }

  /** To be called once. @param reason that of `bye`, or why there was none */
  end(reason: string): void {
    this.#endReason = reason;
    this.#context.metrics.disconnects.inc({ reason });
  }

  /** Its socket has closed. */
  closed(subject: object): void {
    this.#context.metrics.connections.dec({ transport: this.#transport });
    const line = {
      ...this.#about(),
      ...subject,
      reason: this.#endReason,
      durationMs: Math.round(performance.now()) - this.#openedAtMs,
      events: this.#events,
      bytes: this.#socket.bytesWritten - this.#bytesBefore,
      coalesced: this.#coalesced,
    };
    this.#context.log.info(line, "stream closed");
  }

  #about() {
    return { requestId: this.#requestId, transport: this.#transport, caller: this.#caller };
  }
}
