import type { Problem } from "../../../problems.ts";
import type { Feed, FeedSubscriber } from "../../feed/feed.ts";
import type { FeedEntry } from "../../feed/feed-log.ts";
import { FeedPosition } from "../../feed/feed-position.ts";
import { type StateEvent, snapshotOf, updateOf } from "../../operation/state-event.ts";
import type { StreamContext } from "../stream-context.ts";
import type { SseClient, StreamContent } from "./sse-connection.ts";
import { stateChunkUnder } from "./sse-format.ts";
import { type Opened, SseOpening } from "./sse-opening.ts";

/**
 * Opens the feed of all operations whose ids begin with `prefix`.
 * @param after the watermark that the client stopped at, as it sent it
 */
export function openFeedStream(
  context: StreamContext,
  client: SseClient,
  prefix: string,
  after: string | undefined,
): Promise<Opened> {
  return new FeedStream(context, client, prefix, after).opened;
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

  constructor(
    context: StreamContext,
    client: SseClient,
    prefix: string,
    after: string | undefined,
  ) {
    this.#context = context;
    this.#feed = context.feeds.get(client, prefix);
    this.#position = new FeedPosition(this.#feed, after);
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
    if (!this.#position.take(entry, isReady)) return;
    const { previous, operation } = entry;
    this.#send(previous ? updateOf(previous, operation, 0) : snapshotOf(operation));
    if (!previous) return;
    const lagMs = Math.max(0, Date.now() - operation.cursor.lastUpdatedAtMs);
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
      const operation = this.#position.next();
      if (operation) this.#send(snapshotOf(operation));
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

  #send(event: StateEvent): void {
    const connection = this.#opening.open();
    connection.cork();
    connection.sendChunk(event.type, stateChunkUnder(this.cursor(), event));
  }
}
