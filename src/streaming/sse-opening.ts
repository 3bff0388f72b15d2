import type { Socket } from "node:net";
import type { ProblemError } from "../errors.ts";
import type { Requester } from "./fair-queue.ts";
import { type SseAnswer, SseConnection, type StreamContent } from "./sse-connection.ts";
import type { StreamContext } from "./stream-context.ts";

/** The client of a stream that is not open yet. */
export interface SseClient extends SseAnswer, Requester {
  /** The socket of its request. */
  readonly socket: Socket;
}

/** What became of a request for a stream. A stream that was opened goes on by itself. */
export type Opened = "opened" | "nothing-left";

/** How long a request may wait for the first word of the scheduler before its stream is opened. */
const OPEN_WITHIN_MS = 2000;

/** What is needed up to the first byte, and let go of then: an open stream may last for long. */
interface Pending {
  readonly answer: PromiseWithResolvers<Opened>;
  readonly timer: NodeJS.Timeout;
  readonly onAbandoned: () => void;
}

/**
 * The time between a request for a stream and its first byte, in which the answer can still be
 * another one. It ends with the first event, with `nothingLeft`, with `refuse`, or after 2 s.
 */
export class SseOpening {
  /** Rejects with what `refuse` was given. */
  readonly result: Promise<Opened>;
  readonly #client: SseClient;
  readonly #content: StreamContent;
  readonly #context: StreamContext;
  #pending: Pending | undefined;
  #connection: SseConnection | undefined;

  /** @param content its `onClose` is also called when no stream comes of it */
  constructor(client: SseClient, content: StreamContent, context: StreamContext) {
    this.#client = client;
    this.#content = content;
    this.#context = context;
    const answer = Promise.withResolvers<Opened>();
    const onAbandoned = () => this.#settle();
    const timer = setTimeout(() => this.open(), OPEN_WITHIN_MS);
    this.result = answer.promise;
    this.#pending = { answer, timer, onAbandoned };
    client.socket.once("close", onAbandoned);
  }

  /** The stream, if it is open. */
  get connection(): SseConnection | undefined {
    return this.#connection;
  }

  /** The stream, opened if it was not. Must not be called after another answer was given. */
  open(): SseConnection {
    if (this.#connection) return this.#connection;
    const pending = this.#endPending();
    const client = this.#client;
    this.#connection = new SseConnection(client.socket, client, this.#content, this.#context);
    pending?.answer.resolve("opened");
    return this.#connection;
  }

  /** The client knows all there is to know. */
  nothingLeft(): void {
    this.#pending?.answer.resolve("nothing-left");
    this.#settle();
  }

  refuse(error: ProblemError): void {
    this.#pending?.answer.reject(error);
    this.#settle();
  }

  #settle(): void {
    const pending = this.#endPending();
    if (!pending) return;
    // An abandoned request needs no answer; whoever waits for one goes on.
    pending.answer.resolve("opened");
    this.#content.onClose();
  }

  #endPending(): Pending | undefined {
    const pending = this.#pending;
    if (!pending) return undefined;
    this.#pending = undefined;
    clearTimeout(pending.timer);
    this.#client.socket.off("close", pending.onAbandoned);
    return pending;
  }
}
