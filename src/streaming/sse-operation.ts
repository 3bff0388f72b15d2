import type { Duplex } from "node:stream";
import { OperationNotFoundError, type Problem } from "../errors.ts";
import type { Cursor } from "./cursor.ts";
import { SseConnection, type StreamContent } from "./sse-connection.ts";
import { stateChunk } from "./sse-format.ts";
import type { StateEvent } from "./state-event.ts";
import type { StreamContext } from "./stream-context.ts";
import type { EndReason, Subscriber, Subscription } from "./subscription.ts";

/** What became of a request for a stream. A stream that was opened goes on by itself. */
export type Opening = "opened" | "nothing-left";

/** How long a request may wait for the first word of the scheduler before its stream is opened. */
const OPEN_WITHIN_MS = 2000;

/**
 * Opens the stream of one operation.
 * @returns `nothing-left` where the operation is over and the client knows its end: the answer is 204
 * @throws OperationNotFoundError where there is no such operation and nothing was written yet
 */
export function openOperationStream(
  context: StreamContext,
  socket: Duplex,
  chunked: boolean,
  id: string,
  after: Cursor | undefined,
): Promise<Opening> {
  const stream = new OperationStream(context, socket, chunked, id, after);
  return stream.opening;
}

/**
 * One operation for one SSE client. Nothing is written before it is known whether the answer is a
 * stream at all, or 2 s have passed.
 */
class OperationStream implements Subscriber, StreamContent {
  readonly #context: StreamContext;
  readonly #socket: Duplex;
  readonly #chunked: boolean;
  readonly #subscription: Subscription;
  readonly #opening = Promise.withResolvers<Opening>();
  readonly #openTimer: NodeJS.Timeout;
  readonly #abandon = (): void => this.#leave();
  #connection: SseConnection | undefined;
  #done = false;

  constructor(
    context: StreamContext,
    socket: Duplex,
    chunked: boolean,
    id: string,
    after: Cursor | undefined,
  ) {
    this.#context = context;
    this.#socket = socket;
    this.#chunked = chunked;
    this.#openTimer = setTimeout(() => this.#open(), OPEN_WITHIN_MS);
    socket.once("close", this.#abandon);
    this.#subscription = context.hub.subscribe(id, this, after);
  }

  get opening(): Promise<Opening> {
    return this.#opening.promise;
  }

  get ready(): boolean {
    return this.#connection?.ready ?? true;
  }

  onEvent(event: StateEvent): void {
    this.#open().sendChunk(event.type, stateChunk(event));
  }

  onUnchanged(subscription: Subscription): void {
    // A terminal state ends the subscription next, which may yet make this a 204.
    queueMicrotask(() => {
      if (!subscription.ended) this.#open();
    });
  }

  onHeld(): void {
    // Sent from `onReady`.
  }

  onEnd(reason: EndReason): void {
    if (this.#connection) {
      this.#connection.bye(reason === "terminal" ? "terminal" : "gone");
      return;
    }
    if (reason === "terminal") this.#opening.resolve("nothing-left");
    else this.#opening.reject(new OperationNotFoundError(this.#subscription.id));
    this.#leave();
  }

  onTrouble(problem: Problem): void {
    const data = JSON.stringify({ type: "problem", problem });
    this.#open().send({ event: "problem", id: this.cursor(), data });
  }

  onRecovered(): void {
    // The next state, or the `as_of` of the next heartbeat, says so.
  }

  cursor(): string | undefined {
    return this.#subscription.position?.text;
  }

  freshness() {
    return this.#context.hub.freshness(this.#subscription.id);
  }

  onReady(): void {
    this.#subscription.flush();
  }

  onClose(): void {
    this.#leave();
  }

  #open(): SseConnection {
    if (!this.#connection) {
      clearTimeout(this.#openTimer);
      this.#connection = new SseConnection(this.#socket, this.#chunked, this, this.#context);
      this.#opening.resolve("opened");
    }
    return this.#connection;
  }

  #leave(): void {
    if (this.#done) return;
    this.#done = true;
    clearTimeout(this.#openTimer);
    this.#socket.off("close", this.#abandon);
    this.#context.hub.unsubscribe(this.#subscription);
    this.#opening.resolve("opened");
  }
}
