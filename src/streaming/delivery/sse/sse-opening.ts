import type { ProblemError } from "../../../problems.ts";
import type { StreamContext } from "../stream-context.ts";
import { type SseClient, SseConnection, type StreamContent } from "./sse-connection.ts";

/** The outcome of a request for a stream. An open stream needs nothing more from its caller. */
export type Opened = "opened" | "nothing-left";

/** How long a request waits for the first read of the scheduler before its stream is opened. */
const OPEN_WITHIN_MS = 2000;

/** What is needed until the first byte, and released then: an open stream may last for long. */
interface Pending {
  readonly client: SseClient;
  readonly answer: PromiseWithResolvers<Opened>;
  readonly timer: NodeJS.Timeout;
  readonly onAbandoned: () => void;
}

/**
 * The time between a request for a stream and its first byte, while the response can still be another
 * one. It ends with the first event, with `nothingLeft`, with `refuse`, or after 2 s.
 */
export class SseOpening {
  /** Rejects with what `refuse` was given. */
  readonly result: Promise<Opened>;
  /** The client while it waits; with the stream, what its request held is released. */
  #target: SseClient | SseConnection;
  readonly #content: StreamContent;
  readonly #context: StreamContext;
  #pending: Pending | undefined;

  /** @param content its `onClose` is called also where no stream is opened */
  constructor(client: SseClient, content: StreamContent, context: StreamContext) {
    this.#target = client;
    this.#content = content;
    this.#context = context;
    context.connections.request(client);
    const answer = Promise.withResolvers<Opened>();
    const onAbandoned = () => this.#settle();
    const timer = setTimeout(() => this.open(), OPEN_WITHIN_MS);
    this.result = answer.promise;
    this.#pending = { client, answer, timer, onAbandoned };
    client.socket.once("close", onAbandoned);
  }

  /** The stream, if it is open. */
  get connection(): SseConnection | undefined {
    return this.#target instanceof SseConnection ? this.#target : undefined;
  }

  /** The stream; opens it the first time. Must not be called after another response. */
  open(): SseConnection {
    if (this.#target instanceof SseConnection) return this.#target;
    const pending = this.#endPending();
    this.#target = new SseConnection(this.#target, this.#content, this.#context);
    this.#target.onOpened();
    pending?.answer.resolve("opened");
    // Requested before the drain, it was not among the streams that were ended. The server waits for each to close.
    if (this.#context.connections.draining) this.#target.bye("drain");
    return this.#target;
  }

  /** The client has everything: there is nothing to send. */
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
    // An abandoned request needs no response; its caller continues.
    pending.answer.resolve("opened");
    this.#content.onClose();
  }

  #endPending(): Pending | undefined {
    const pending = this.#pending;
    if (!pending) return undefined;
    this.#pending = undefined;
    this.#context.connections.settle(pending.client);
    clearTimeout(pending.timer);
    pending.client.socket.off("close", pending.onAbandoned);
    return pending;
  }
}
