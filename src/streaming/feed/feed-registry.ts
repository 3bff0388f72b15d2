import type { Requester } from "../reading/fair-queue.ts";
import type { Listing } from "../reading/listing.ts";
import type { PollIntervals } from "../reading/poll-schedule.ts";
import type { Reader } from "../reading/reader.ts";
import { Feed } from "./feed.ts";
import { FeedReader } from "./feed-reader.ts";
import type { FeedWatching } from "./followed-operations.ts";

/** The feeds that are followed in this process: one a prefix, however many follow it. */
export class FeedRegistry {
  readonly #feeds = new Map<string, Feed>();
  readonly #reader: FeedReader;
  readonly #maxPrefixes: number;

  /** @param maxPrefixes feeds of different prefixes at a time; the feed of all is not counted */
  constructor(
    watching: FeedWatching,
    reader: Reader,
    listing: Listing,
    intervals: PollIntervals,
    maxPrefixes: number,
  ) {
    this.#reader = new FeedReader(watching, reader, listing, intervals, ({ prefix }) =>
      this.#feeds.delete(prefix),
    );
    this.#maxPrefixes = maxPrefixes;
  }

  /**
   * Whether the feed of `prefix` is followed already, or can be.
   * @throws ForbiddenError where the caller may not read all of it
   */
  hasRoomFor({ access }: Requester, prefix: string): boolean {
    access.checkReadAll(prefix);
    if (prefix === "" || this.#feeds.has(prefix)) return true;
    return this.#feeds.size - (this.#feeds.has("") ? 1 : 0) < this.#maxPrefixes;
  }

  /**
   * The feed of all operations whose ids begin with `prefix`, for which there must be room.
   * @throws ForbiddenError where the caller may not read all of it
   */
  get({ access }: Requester, prefix: string): Feed {
    access.checkReadAll(prefix);
    let feed = this.#feeds.get(prefix);
    if (!feed) {
      feed = new Feed(prefix, this.#reader);
      this.#feeds.set(prefix, feed);
      this.#reader.add(feed);
    }
    return feed;
  }

  /** An operation has been started or changed: feeds look for it at once. */
  expect(id: string): void {
    this.#reader.expect(id);
  }

  close(): void {
    this.#reader.close();
    this.#feeds.clear();
  }
}
