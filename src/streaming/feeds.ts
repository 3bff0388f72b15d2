import { TooManyFeedsError } from "../errors.ts";
import type { BackOffOptions } from "./back-off.ts";
import { Feed } from "./feed.ts";
import type { Poller } from "./poller.ts";
import type { ReadBudget } from "./read-budget.ts";

/** Feeds of different prefixes at a time. Each is read on its own. */
const MAX_FEEDS = 100;

/** The feeds that are followed in this process: one a prefix, however many follow it. */
export class Feeds {
  readonly #feeds = new Map<string, Feed>();
  readonly #poller: Poller;
  readonly #budget: ReadBudget;
  readonly #options: BackOffOptions;

  constructor(poller: Poller, budget: ReadBudget, options: BackOffOptions) {
    this.#poller = poller;
    this.#budget = budget;
    this.#options = options;
  }

  /** The feed of all operations whose ids begin with `prefix`. @throws TooManyFeedsError */
  get(prefix: string): Feed {
    return this.#feeds.get(prefix) ?? this.#open(prefix);
  }

  close(): void {
    for (const feed of this.#feeds.values()) feed.close();
    this.#feeds.clear();
  }

  #open(prefix: string): Feed {
    if (this.#feeds.size >= MAX_FEEDS) throw new TooManyFeedsError();
    const feed = new Feed(prefix, this.#poller, this.#budget, this.#options, () =>
      this.#feeds.delete(prefix),
    );
    this.#feeds.set(prefix, feed);
    return feed;
  }
}
