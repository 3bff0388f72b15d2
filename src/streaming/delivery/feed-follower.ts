import type { Problem } from "../../problems.ts";
import type { Feed, FeedSubscriber } from "../feed/feed.ts";
import type { FeedEntry } from "../feed/feed-log.ts";
import { type FeedEvent, FeedPosition } from "../feed/feed-position.ts";
import type { FeedWanted } from "../feed/feed-wanted.ts";
import type { Requester } from "../reading/fair-queue.ts";
import type { StreamContext } from "./stream-context.ts";

/** What a follower of a feed needs of its transport. */
export interface FeedSink extends Requester {
  /** False while the client does not keep up with what was sent: `onReady` is to be called afterwards. */
  readonly ready: boolean;
  /** The first content is there. Events follow, if there are any. */
  onBegin(): void;
  /** Something to be sent. `cursor()` counts it as sent already. */
  onFeedEvent(event: FeedEvent): void;
  /** Something to know. The feed goes on. */
  onFeedProblem(problem: Problem): void;
  /** The client has been sent everything up to now. */
  onCaughtUp(): void;
}

/**
 * One client of a feed, whatever its transport.
 *   FEED-FOLLOWER-1. A client that is not ready is sent nothing, and afterwards the latest state of each operation
 *           that changed, as a snapshot. No queue of events is kept.
 *   FEED-FOLLOWER-2. Every event has a position that a client can resume from, also during the first load. It is
 *           told when it has caught up.
 */
export class FeedFollower implements FeedSubscriber {
  readonly #context: StreamContext;
  readonly #sink: FeedSink;
  readonly #feed: Feed;
  readonly #position: FeedPosition;

  /**
   * @param after the watermark that the client stopped at, as it sent it
   * @throws ForbiddenError where the caller may not read all of it
   */
  constructor(
    context: StreamContext,
    sink: FeedSink,
    { prefix, filter }: FeedWanted,
    after: string | undefined,
  ) {
    this.#context = context;
    this.#sink = sink;
    this.#feed = context.feeds.get(sink, prefix);
    this.#position = new FeedPosition(this.#feed, filter, after);
    this.#feed.add(this);
    context.metrics.subscriptions.inc();
  }

  get prefix(): string {
    return this.#feed.prefix;
  }

  /** Whether it continues from the client's watermark. */
  get isResumed(): boolean {
    return this.#position.isResumed;
  }

  get needsNewSweep(): boolean {
    return this.isResumed;
  }

  /** The watermark of what was sent. */
  cursor(): string | undefined {
    return this.#position.watermark();
  }

  /** No change older than this, in epoch milliseconds, is missing from what was sent. */
  asOfMs(): number | undefined {
    return this.#feed.asOfMs;
  }

  /** Stops it. To be called once. */
  leave(): void {
    this.#feed.remove(this);
    this.#context.metrics.subscriptions.dec();
  }

  onContent(): void {
    if (this.#position.begun) return;
    this.#position.begin();
    this.#sink.onBegin();
    this.onReady();
  }

  onLoaded(): void {
    this.onReady();
  }

  onChange(entry: FeedEntry): void {
    const event = this.#position.take(entry, this.#sink.ready);
    if (!event) return;
    this.#sink.onFeedEvent(event);
    if (event.type !== "update") return;
    const lagMs = Math.max(0, Date.now() - event.operation.cursor.lastUpdatedAtMs);
    this.#context.metrics.deliveryLag.observe(lagMs / 1000);
  }

  onProblem(problem: Problem): void {
    this.#sink.onFeedProblem(problem);
  }

  /** The client can be sent more. */
  onReady(): void {
    if (!this.#position.begun) return;
    while (this.#sink.ready) {
      const event = this.#position.next();
      if (event) this.#sink.onFeedEvent(event);
      else {
        if (this.#feed.isLoaded) this.#sink.onCaughtUp(); // FEED-FOLLOWER-2
        return;
      }
    }
  }
}

/** A removal as JSON after its opening brace. */
export function removalBody(operationId: string): string {
  const json = JSON.stringify({ type: "removed", operation_id: operationId, reason: "no_match" });
  return json.slice(1);
}
