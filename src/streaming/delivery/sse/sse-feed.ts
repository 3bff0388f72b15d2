import type { Problem } from "../../../problems.ts";
import type { Feed, FeedSubscriber } from "../../feed/feed.ts";
import type { FeedEntry } from "../../feed/feed-log.ts";
import { type FeedEvent, FeedPosition } from "../../feed/feed-position.ts";
import type { OperationFilter } from "../../operation/operation-filter.ts";
import type { StreamContext } from "../stream-context.ts";
import type { SseClient, StreamContent } from "./sse-connection.ts";
import { stateChunkUnder } from "./sse-format.ts";
import { type Opened, SseOpening } from "./sse-opening.ts";

/** What a client requests. */
export interface FeedWanted {
  /** Operations whose ids begin with this. */
  readonly prefix: string;
  /** Of those, the ones that match. */
  readonly filter: OperationFilter;
  /** The watermark that the client stopped at, as it sent it. */
  readonly after: string | undefined;
}

/** Opens a feed. */
export function openFeedStream(
  context: StreamContext,
  client: SseClient,
  wanted: FeedWanted,
): Promise<Opened> {
  return new FeedStream(context, client, wanted).opened;
}

/**
 * One SSE client of a feed.
 *   FEED-SSE-1. A client that is not ready is sent nothing, and afterwards the latest state of each
 *               operation that changed, as a snapshot. No queue of events is kept.
 *   FEED-SSE-2. Every event has an id that a client can resume from, also during the first load. A
 *               heartbeat follows when the client has caught up.
 */
class FeedStream implements FeedSubscriber, StreamContent {
  readonly #context: StreamContext;
  readonly #opening: SseOpening;
  readonly #feed: Feed;
  readonly #position: FeedPosition;

  constructor(context: StreamContext, client: SseClient, { prefix, filter, after }: FeedWanted) {
    this.#context = context;
    this.#feed = context.feeds.get(client, prefix);
    this.#position = new FeedPosition(this.#feed, filter, after);
    this.#opening = new SseOpening(client, this, context);
    this.#feed.add(this);
    context.metrics.subscriptions.inc();
  }

  get opened(): Promise<Opened> {
    return this.#opening.result;
  }

  get needsNewSweep(): boolean {
    return this.#position.isResumed;
  }

  onContent(): void {
    if (this.#position.begun) return;
    this.#position.begin();
    this.#opening.open();
    this.onReady();
  }

  onLoaded(): void {
    this.onReady();
  }

  onChange(entry: FeedEntry): void {
    const isReady = this.#opening.connection?.ready ?? false;
    const event = this.#position.take(entry, isReady);
    if (!event) return;
    this.#send(event);
    if (event.type !== "update") return;
    const lagMs = Math.max(0, Date.now() - event.operation.cursor.lastUpdatedAtMs);
    this.#context.metrics.deliveryLag.observe(lagMs / 1000);
  }

  onProblem(problem: Problem): void {
    const data = JSON.stringify({ type: "problem", problem });
    this.#opening.open().send({ event: "problem", id: this.cursor(), data });
  }

  onReady(): void {
    if (!this.#position.begun) return;
    const connection = this.#opening.open();
    while (connection.ready) {
      const event = this.#position.next();
      if (event) this.#send(event);
      else {
        if (this.#feed.isLoaded) connection.heartbeat(); // FEED-SSE-2
        return;
      }
    }
  }

  onClose(): void {
    this.#feed.remove(this);
    this.#context.metrics.subscriptions.dec();
  }

  get resumed(): boolean {
    return this.#position.isResumed;
  }

  cursor(): string | undefined {
    return this.#position.watermark();
  }

  get subject() {
    return { prefix: this.#feed.prefix };
  }

  asOfMs(): number | undefined {
    return this.#feed.asOfMs;
  }

  #send(event: FeedEvent): void {
    const connection = this.#opening.open();
    const id = this.cursor();
    if (event.type === "removed") {
      const { id: operation_id } = event.operation;
      const data = JSON.stringify({ type: "removed", operation_id, reason: "no_match" });
      connection.send({ event: "removed", id, data });
    } else connection.sendChunk(event.type, stateChunkUnder(id, event));
  }
}
