import { TooManyFeedsError } from "../errors.ts";
import { Feed } from "./feed.ts";
import { FeedReader, type FeedWatching } from "./feed-reader.ts";
import type { Listing } from "./listing.ts";
import type { PollIntervals } from "./poll-schedule.ts";
import type { Reader } from "./reader.ts";

/** The feeds that are followed in this process: one a prefix, however many follow it. */
export class Feeds {
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

  /** The feed of all operations whose ids begin with `prefix`. @throws TooManyFeedsError */
  get(prefix: string): Feed {
    return this.#feeds.get(prefix) ?? this.#open(prefix);
  }

  /** Something has been started: feeds look for it at once. */
  expect(): void {
    this.#reader.expect();
  }

  close(): void {
    this.#reader.close();
    this.#feeds.clear();
  }

  #open(prefix: string): Feed {
    const narrowed = this.#feeds.size - (this.#feeds.has("") ? 1 : 0);
    if (prefix !== "" && narrowed >= this.#maxPrefixes) throw new TooManyFeedsError();
    const feed = new Feed(prefix, this.#reader);
    this.#feeds.set(prefix, feed);
    this.#reader.add(feed);
    return feed;
  }
}
