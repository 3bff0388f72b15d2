import type { Problem } from "../errors.ts";
import type { ResumePoint } from "./cursor.ts";
import type { Feed, FeedSubscriber } from "./feed.ts";
import type { FeedEntry } from "./feed-log.ts";
import type { StreamContent } from "./sse-connection.ts";
import { stateChunkUnder } from "./sse-format.ts";
import { type Opened, type SseClient, SseOpening } from "./sse-opening.ts";
import { type StateEvent, snapshotOf, updateOf } from "./state-event.ts";
import type { StreamContext } from "./stream-context.ts";
import { parseWatermark } from "./watermark.ts";

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
 * One SSE client of a feed. It holds no state of its own but how far it has come: first through the
 * operations that were there when it came, newest first, then along the feed's changes.
 *   G1. A client that is not ready is sent nothing, and afterwards each changed operation's latest
 *       state, as a snapshot; there is no queue.
 *   G2. What is sent on the way to the present has no id, so that a client cut off there resumes from
 *       where it was before; a heartbeat with the id follows when the present is reached.
 */
class FeedStream implements FeedSubscriber, StreamContent {
  readonly #context: StreamContext;
  readonly #opening: SseOpening;
  readonly #feed: Feed;
  readonly #resume: ResumePoint | undefined;
  /** Operations still to be shown for the first time, the next one last. */
  #backlog: string[] | undefined;
  #begun = false;
  /** The last id that the client was given. */
  #watermark: string | undefined;
  /** All changes up to this one have been sent, but for those of operations in the backlog. */
  #seq = 0;

  constructor(
    context: StreamContext,
    client: SseClient,
    prefix: string,
    after: string | undefined,
  ) {
    this.#context = context;
    this.#feed = context.hub.feeds.get(prefix);
    this.#resume = parseWatermark(after, this.#feed.scope);
    this.#watermark = this.#resume && after;
    this.#opening = new SseOpening(client, this, context);
    this.#feed.add(this);
    context.metrics.subscriptions.inc();
  }

  get opened(): Promise<Opened> {
    return this.#opening.result;
  }

  get needsNewSweep(): boolean {
    return this.#resume !== undefined;
  }

  onContent(): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#seq = this.#feed.log.seq;
    this.#backlog = this.#feed.log.newestFirst().reverse();
    this.#opening.open();
    this.onReady();
  }

  onChange(entry: FeedEntry): void {
    // Behind already, or not begun: it will be found on the way.
    if (
      !this.#begun ||
      this.#backlog ||
      entry.seq !== this.#seq + 1 ||
      !this.#opening.connection?.ready
    )
      return;
    const { previous, operation } = entry;
    this.#seq = entry.seq;
    this.#send(previous ? updateOf(previous, operation, 0) : snapshotOf(operation), this.cursor());
    if (!previous) return;
    const lagMs = Math.max(0, Date.now() - operation.cursor.lastUpdatedAtMs);
    this.#context.metrics.deliveryLag.observe(lagMs / 1000);
  }

  onProblem(problem: Problem): void {
    const data = JSON.stringify({ type: "problem", problem });
    this.#opening.open().send({ event: "problem", id: this.cursor(), data });
  }

  onReady(): void {
    if (!this.#begun) return;
    const connection = this.#opening.open();
    while (this.#backlog && connection.ready) {
      const id = this.#backlog.pop();
      if (id === undefined) this.#backlog = undefined;
      else this.#show(id);
    }
    if (this.#backlog) return;
    for (const { operation, seq } of this.#feed.log.since(this.#seq)) {
      if (!connection.ready) return;
      this.#seq = seq;
      this.#send(snapshotOf(operation), undefined);
    }
    connection.heartbeat(); // G2
  }

  onClose(): void {
    this.#feed.remove(this);
    this.#context.metrics.subscriptions.dec();
  }

  cursor(): string | undefined {
    const isPresent = this.#begun && !this.#backlog && this.#seq === this.#feed.log.seq;
    if (isPresent) this.#watermark = this.#feed.watermark();
    return this.#watermark;
  }

  asOfMs(): number | undefined {
    return this.#feed.asOfMs;
  }

  /** Shows an operation for the first time, unless a former stream did, or a change is yet to come. */
  #show(id: string): void {
    const entry = this.#feed.log.get(id);
    if (!entry || entry.seq > this.#seq || this.#resume?.covers(entry.operation)) return;
    this.#send(snapshotOf(entry.operation), undefined);
  }

  #send(event: StateEvent, id: string | undefined): void {
    const connection = this.#opening.open();
    connection.cork();
    connection.sendChunk(event.type, stateChunkUnder(id, event));
  }
}
