import type { Duplex } from "node:stream";
import type { ProblemError } from "../errors.ts";
import { SseConnection, type StreamContent } from "./sse-connection.ts";
import type { StreamContext } from "./stream-context.ts";

/** The client of a stream that is not open yet. */
export interface SseClient {
  /** The socket of its request. */
  readonly socket: Duplex;
  /** Whether it knows chunks, which HTTP/1.0 does not. */
  readonly chunked: boolean;
}

/** What became of a request for a stream. A stream that was opened goes on by itself. */
export type Opened = "opened" | "nothing-left";

/** How long a request may wait for the first word of the scheduler before its stream is opened. */
const OPEN_WITHIN_MS = 2000;

/**
 * The time between a request for a stream and its first byte, in which the answer can still be
 * another one. It ends with the first event, with `nothingLeft`, with `refuse`, or after 2 s.
 */
export class SseOpening {
  readonly #client: SseClient;
  readonly #content: StreamContent;
  readonly #context: StreamContext;
  readonly #result = Promise.withResolvers<Opened>();
  readonly #timer: NodeJS.Timeout;
  readonly #onAbandoned = (): void => this.#settle();
  #connection: SseConnection | undefined;
  #settled = false;

  /** @param content its `onClose` is also called when no stream comes of it */
  constructor(client: SseClient, content: StreamContent, context: StreamContext) {
    this.#client = client;
    this.#content = content;
    this.#context = context;
    this.#timer = setTimeout(() => this.open(), OPEN_WITHIN_MS);
    client.socket.once("close", this.#onAbandoned);
  }

  /** Rejects with what `refuse` was given. */
  get result(): Promise<Opened> {
    return this.#result.promise;
  }

  /** The stream, if it is open. */
  get connection(): SseConnection | undefined {
    return this.#connection;
  }

  /** The stream, opened if it was not. Must not be called after another answer was given. */
  open(): SseConnection {
    if (!this.#connection) {
      clearTimeout(this.#timer);
      this.#client.socket.off("close", this.#onAbandoned);
      const { socket, chunked } = this.#client;
      this.#connection = new SseConnection(socket, chunked, this.#content, this.#context);
      this.#settled = true;
      this.#result.resolve("opened");
    }
    return this.#connection;
  }

  /** The client knows all there is to know. */
  nothingLeft(): void {
    this.#result.resolve("nothing-left");
    this.#settle();
  }

  refuse(error: ProblemError): void {
    this.#result.reject(error);
    this.#settle();
  }

  #settle(): void {
    if (this.#settled) return;
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#client.socket.off("close", this.#onAbandoned);
    // An abandoned request needs no answer; whoever waits for one goes on.
    this.#result.resolve("opened");
    this.#content.onClose();
  }
}
