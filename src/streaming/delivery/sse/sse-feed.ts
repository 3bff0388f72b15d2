import type { Access } from "../../../access.ts";
import type { Problem } from "../../../problems.ts";
import type { FeedEvent } from "../../feed/feed-position.ts";
import type { FeedWanted } from "../../feed/feed-wanted.ts";
import { FeedFollower, type FeedSink, removalBody } from "../feed-follower.ts";
import type { StreamContext } from "../stream-context.ts";
import type { SseClient, StreamContent } from "./sse-connection.ts";
import { stateChunkUnder } from "./sse-format.ts";
import { type Opened, SseOpening } from "./sse-opening.ts";

/**
 * Opens a feed.
 * @param after the watermark that the client stopped at, as it sent it
 */
export function openFeedStream(
  context: StreamContext,
  client: SseClient,
  wanted: FeedWanted,
  after: string | undefined,
): Promise<Opened> {
  return new FeedStream(context, client, wanted, after).opened;
}

/** One SSE client of a feed. A heartbeat follows when it has caught up. */
class FeedStream implements FeedSink, StreamContent {
  readonly access: Access;
  readonly #opening: SseOpening;
  readonly #follower: FeedFollower;

  constructor(
    context: StreamContext,
    client: SseClient,
    wanted: FeedWanted,
    after: string | undefined,
  ) {
    this.access = client.access;
    this.#follower = new FeedFollower(context, this, wanted, after);
    this.#opening = new SseOpening(client, this, context);
  }

  get opened(): Promise<Opened> {
    return this.#opening.result;
  }

  get ready(): boolean {
    return this.#opening.connection?.ready ?? false;
  }

  onBegin(): void {
    this.#opening.open();
  }

  onFeedEvent(event: FeedEvent): void {
    const connection = this.#opening.open();
    const id = this.cursor();
    if (event.type === "removed") {
      const data = `{${removalBody(event.operation.id)}`;
      connection.send({ event: "removed", id, data });
    } else connection.sendChunk(event.type, stateChunkUnder(id, event));
  }

  onFeedProblem(problem: Problem): void {
    const data = JSON.stringify({ type: "problem", problem });
    this.#opening.open().send({ event: "problem", id: this.cursor(), data });
  }

  onCaughtUp(): void {
    this.#opening.open().heartbeat();
  }

  onReady(): void {
    this.#follower.onReady();
  }

  onClose(): void {
    this.#follower.leave();
  }

  get resumed(): boolean {
    return this.#follower.isResumed;
  }

  cursor(): string | undefined {
    return this.#follower.cursor();
  }

  get subject() {
    return { prefix: this.#follower.prefix };
  }

  asOfMs(): number | undefined {
    return this.#follower.asOfMs();
  }
}
