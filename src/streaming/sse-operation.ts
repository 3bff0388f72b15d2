import { OperationNotFoundError, type Problem } from "../errors.ts";
import { type Cursor, cursorResume } from "./cursor.ts";
import type { StreamContent } from "./sse-connection.ts";
import { stateChunk } from "./sse-format.ts";
import { type Opened, type SseClient, SseOpening } from "./sse-opening.ts";
import type { StateEvent } from "./state-event.ts";
import type { StreamContext } from "./stream-context.ts";
import type { EndReason, Subscriber, Subscription } from "./subscription.ts";

/**
 * Opens the stream of one operation.
 * @param after where the client stopped on a former stream
 * @returns `nothing-left` where the operation is over and the client knows its end: the answer is 204
 * @throws OperationNotFoundError where there is no such operation and nothing was written yet
 */
export function openOperationStream(
  context: StreamContext,
  client: SseClient,
  id: string,
  after: Cursor | undefined,
): Promise<Opened> {
  return new OperationStream(context, client, id, after).opened;
}

/** One operation for one SSE client. Its ids are the operation's cursors. */
class OperationStream implements Subscriber, StreamContent {
  readonly #context: StreamContext;
  readonly #subscription: Subscription;
  readonly #opening: SseOpening;

  constructor(context: StreamContext, client: SseClient, id: string, after: Cursor | undefined) {
    this.#context = context;
    this.#opening = new SseOpening(client, this, context);
    this.#subscription = context.hub.subscribe(id, this, after && cursorResume(after));
  }

  get opened(): Promise<Opened> {
    return this.#opening.result;
  }

  get ready(): boolean {
    return this.#opening.connection?.ready ?? true;
  }

  onEvent(event: StateEvent): void {
    this.#opening.open().sendChunk(event.type, stateChunk(event));
  }

  onUnchanged(subscription: Subscription): void {
    // A terminal state ends the subscription next, which makes this a 204.
    queueMicrotask(() => {
      if (!subscription.ended) this.#opening.open();
    });
  }

  onHeld(): void {
    // Sent from `onReady`.
  }

  onEnd(reason: EndReason): void {
    const { connection } = this.#opening;
    if (connection) connection.bye(reason === "terminal" ? "terminal" : "gone");
    else if (reason === "terminal") this.#opening.nothingLeft();
    else this.#opening.refuse(new OperationNotFoundError(this.#subscription.id));
  }

  onTrouble(problem: Problem): void {
    const data = JSON.stringify({ type: "problem", problem });
    this.#opening.open().send({ event: "problem", id: this.cursor(), data });
  }

  onRecovered(): void {
    // The next state, or the `as_of` of the next heartbeat, says so.
  }

  cursor(): string | undefined {
    return this.#subscription.position?.text;
  }

  freshness() {
    return this.#context.hub.freshness([this.#subscription]);
  }

  onReady(): void {
    this.#subscription.flush();
  }

  onClose(): void {
    this.#context.hub.unsubscribe(this.#subscription);
  }
}
