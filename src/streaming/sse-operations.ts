import { OperationGoneError, OperationNotFoundError, type Problem } from "../errors.ts";
import type { SseConnection, StreamContent } from "./sse-connection.ts";
import { type ServerSentEvent, stateChunkUnder } from "./sse-format.ts";
import { type Opened, type SseClient, SseOpening } from "./sse-opening.ts";
import type { StateEvent } from "./state-event.ts";
import type { StreamContext } from "./stream-context.ts";
import type { EndReason, Subscriber, Subscription } from "./subscription.ts";
import {
  formatWatermark,
  parseWatermark,
  type Sent,
  scopeOf,
  type Watermark,
} from "./watermark.ts";

/** Most operations of one stream. */
export const MAX_OPERATIONS = 200;

/**
 * Opens one stream for several operations.
 * @param ids without repetitions, 1 to 200 of them
 * @param after the watermark that the client stopped at, as it sent it
 * @returns `nothing-left` where all are over and the client knows their ends: the answer is 204
 */
export function openOperationsStream(
  context: StreamContext,
  client: SseClient,
  ids: readonly string[],
  after: string | undefined,
): Promise<Opened> {
  return new OperationsStream(context, client, ids, after).opened;
}

/** Several operations for one SSE client. Its ids are watermarks over all of them. */
class OperationsStream implements Subscriber, StreamContent {
  readonly #context: StreamContext;
  readonly #opening: SseOpening;
  readonly #scope: string;
  /** Where the client stopped on a former stream. */
  readonly #resume: Watermark | undefined;
  readonly #subscriptions: readonly Subscription[];
  /** Those that have not ended. */
  readonly #live: Set<Subscription>;
  readonly #troubled = new Set<Subscription>();
  #unfound = 0;
  /** Said before, on a former stream: alone no reason to open another one, which ends a client's loop. */
  readonly #repeated: ServerSentEvent[] = [];

  constructor(
    context: StreamContext,
    client: SseClient,
    ids: readonly string[],
    after: string | undefined,
  ) {
    this.#context = context;
    this.#scope = scopeOf("ids", ids);
    this.#opening = new SseOpening(client, this, context);
    this.#resume = parseWatermark(after, this.#scope);
    this.#subscriptions = ids.map((id) => context.hub.subscribe(id, this, this.#resume, client));
    this.#live = new Set(this.#subscriptions);
  }

  get opened(): Promise<Opened> {
    return this.#opening.result;
  }

  get ready(): boolean {
    return this.#opening.connection?.ready ?? true;
  }

  onEvent(event: StateEvent): void {
    const connection = this.#open();
    connection.cork();
    connection.sendChunk(event.type, stateChunkUnder(this.cursor(), event));
  }

  onUnchanged(subscription: Subscription): void {
    // If this ends it, and it was the last one, the answer may yet be a 204.
    queueMicrotask(() => {
      if (!subscription.ended) this.#open();
    });
  }

  onEnd(reason: EndReason, subscription: Subscription): void {
    this.#live.delete(subscription);
    this.#troubled.delete(subscription);
    if (reason !== "terminal") {
      this.#unfound += 1;
      const { id } = subscription;
      const error = reason === "gone" ? new OperationGoneError(id) : new OperationNotFoundError(id);
      const event = this.#problemEvent(error.toProblem(), id);
      if (this.#resume && !this.#opening.connection) this.#repeated.push(event);
      else this.#open().send(event);
    }
    if (this.#live.size > 0) return;
    if (!this.#opening.connection) this.#opening.nothingLeft();
    else this.#open().bye(this.#unfound < this.#subscriptions.length ? "terminal" : "gone");
  }

  onTrouble(problem: Problem, subscription: Subscription): void {
    // One word for all of them: it is the scheduler that does not answer.
    if (this.#troubled.size === 0) this.#open().send(this.#problemEvent(problem, undefined));
    this.#troubled.add(subscription);
  }

  onRecovered(subscription: Subscription): void {
    this.#troubled.delete(subscription);
  }

  cursor(): string {
    const sent: Sent[] = [];
    let throughMs = Number.POSITIVE_INFINITY;
    let resuming = false;
    for (const subscription of this.#subscriptions) {
      const { id, position } = subscription;
      if (position) sent.push({ id, ...position });
      if (!this.#live.has(subscription)) continue;
      throughMs = Math.min(throughMs, this.#seenThrough(subscription));
      resuming ||= !position;
    }
    if (throughMs === Number.POSITIVE_INFINITY) {
      throughMs = Math.max(0, ...sent.map(({ lastUpdatedAtMs }) => lastUpdatedAtMs + 1));
    }
    // Of those not read yet, the client has what it came with.
    return formatWatermark(this.#scope, throughMs, sent, resuming ? this.#resume?.seen : []);
  }

  asOfMs(): number | undefined {
    return this.#context.hub.asOfMs(this.#live);
  }

  onReady(): void {
    for (const subscription of [...this.#live]) {
      if (!this.ready) return;
      subscription.flush();
    }
  }

  onClose(): void {
    for (const subscription of this.#subscriptions) this.#context.hub.unsubscribe(subscription);
  }

  /** Up to when, by the scheduler's clock, this client has been sent all of one operation. */
  #seenThrough(subscription: Subscription): number {
    const { position, holds } = subscription;
    const before = this.#resume?.throughMs ?? 0;
    if (!position) return before;
    const { hub } = this.#context;
    const here = holds ? position.lastUpdatedAtMs : hub.safeThroughMs(subscription.id);
    return Math.max(before, here);
  }

  #open(): SseConnection {
    const connection = this.#opening.open();
    for (const event of this.#repeated.splice(0)) connection.send(event);
    return connection;
  }

  #problemEvent(problem: Problem, operationId: string | undefined): ServerSentEvent {
    const data = JSON.stringify({ type: "problem", operation_id: operationId, problem });
    return { event: "problem", id: this.cursor(), data };
  }
}
