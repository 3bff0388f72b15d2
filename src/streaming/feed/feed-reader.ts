import { isUnchanged } from "../../dts/instance.ts";
import { type Problem, SchedulerProblemError } from "../../problems.ts";
import { isBefore } from "../operation/cursor.ts";
import { type Operation, toOperation } from "../operation/operation.ts";
import type { Listing } from "../reading/listing.ts";
import type { ListedInstance } from "../reading/newest-first.ts";
import { type PollIntervals, PollSchedule } from "../reading/poll-schedule.ts";
import type { Found, Reader, ReadTime } from "../reading/reader.ts";
import { CAPACITY, type Feed, type FeedOwner, type FeedReading } from "./feed.ts";
import { type FeedWatching, FollowedOperations } from "./followed-operations.ts";
import { commonPrefix, listSince } from "./list-since.ts";
import { listNewest } from "./newest.ts";

/** How long what is known of the reading is used again, since many clients ask for it at once. */
const READING_FOR_MS = 200;

/**
 * Reads for all feeds of this process.
 *   FEED-1. One query finds what was created since the last one, for all feeds together: reads do not
 *       grow with subscribers or prefixes, and nothing is read while nobody follows a feed.
 *   FEED-2. Active operations are watched like any others, and take part in sweeps.
 *   FEED-3. Each feed is compared with the scheduler as a whole every `maxMs` (of many feeds, one at each
 *       pass), since terminal operations can be rewound, restarted or purged, and dates can go back.
 *   FEED-4. A failed pass backs off and costs no subscriber its place; each is notified once.
 */
export class FeedReader implements FeedOwner {
  readonly #reader: Reader;
  readonly #listing: Listing;
  readonly #onIdle: (feed: Feed) => void;
  /** Each with the time of its last comparison as a whole. */
  readonly #feeds = new Map<Feed, ReadTime | undefined>();
  readonly #toCheck = new Set<Feed>();
  readonly #followed: FollowedOperations;
  /** Queries fail, and reads of single operations fail. */
  #queryProblem: Problem | undefined;
  #readProblem: Problem | undefined;
  #lastPass: ReadTime | undefined;
  readonly #schedule: PollSchedule;
  readonly #checkEveryMs: number;
  #timer: NodeJS.Timeout | undefined;
  #passing = false;
  #closed = false;
  #reading = new WeakMap<Feed, FeedReading & { readonly atMs: number }>();

  /** @param onIdle called when a feed has had no subscriber for 5 s; it is then closed */
  constructor(
    watching: FeedWatching,
    reader: Reader,
    listing: Listing,
    intervals: PollIntervals,
    onIdle: (feed: Feed) => void,
  ) {
    this.#followed = new FollowedOperations(watching, {
      onState: (operation) => {
        this.#schedule.changed();
        this.#put(operation);
      },
      onGone: (id) => {
        for (const feed of this.#feeds.keys()) feed.log.remove(id);
      },
      onProblem: (problem) => {
        this.#readProblem = problem;
        this.#reportProblem();
      },
    });
    this.#reader = reader;
    this.#listing = listing;
    this.#schedule = new PollSchedule(intervals);
    this.#checkEveryMs = intervals.maxMs;
    this.#onIdle = onIdle;
  }

  add(feed: Feed): void {
    this.#feeds.set(feed, undefined);
    this.#schedule.changed();
    this.#passSoon();
  }

  onIdle(feed: Feed): void {
    feed.close();
    this.#feeds.delete(feed);
    this.#toCheck.delete(feed);
    this.#onIdle(feed);
    this.#unfollowUncarried();
    if (this.#feeds.size === 0) clearTimeout(this.#timer);
  }

  requestCheck(feed: Feed): void {
    this.#toCheck.add(feed);
    this.#passSoon();
  }

  /** An operation has changed: it is looked for at once, also if it is new, or was terminal. */
  expect(id: string): void {
    if (this.#feeds.size === 0) return;
    const known = this.#known(id);
    if (known?.terminal) void this.#followed.readAlone(known);
    this.#schedule.changed();
    this.#passSoon();
  }

  reading(feed: Feed): FeedReading {
    const nowMs = performance.now();
    const recent = this.#reading.get(feed);
    if (recent && nowMs - recent.atMs < READING_FOR_MS) return recent;
    const checked = this.#feeds.get(feed);
    const pass = this.#lastPass ?? checked;
    let safeThroughMs = Math.min(pass?.horizonMs ?? 0, checked?.horizonMs ?? 0);
    let asOfMs = checked && Math.min(pass?.asOfMs ?? checked.asOfMs, checked.asOfMs);
    for (const watcher of this.#followed.watchers()) {
      // Of an operation that has not been read yet nothing is known, and nothing was sent.
      if (watcher.asOfMs === undefined) continue;
      if (asOfMs !== undefined) asOfMs = Math.min(asOfMs, watcher.asOfMs);
      safeThroughMs = Math.min(safeThroughMs, watcher.safeThroughMs);
    }
    const reading = { asOfMs, safeThroughMs, atMs: nowMs };
    this.#reading.set(feed, reading);
    return reading;
  }

  isValidThrough(throughMs: number): boolean {
    return this.#reader.horizon.isValid(throughMs);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const feed of this.#feeds.keys()) feed.close();
    this.#feeds.clear();
    this.#followed.retain(() => false);
  }

  #passSoon(): void {
    if (this.#closed || this.#passing) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#pass(), 0);
  }

  async #pass(): Promise<void> {
    this.#passing = true;
    try {
      for (const [feed] of this.#feeds) if (feed.state.kind === "new") await this.#load(feed);
      await this.#findNew();
      for (const feed of this.#feedsToCheck()) await this.#check(feed);
      this.#queryProblem = undefined;
      this.#schedule.quiet();
    } catch (error) {
      this.#schedule.failed();
      this.#queryProblem = new SchedulerProblemError(error).toProblem();
    }
    this.#passing = false;
    if (this.#closed) return;
    this.#reportProblem();
    this.#unfollowUncarried();
    if (this.#feeds.size === 0) return;
    this.#schedule.plan(false);
    const hasNew = [...this.#feeds.keys()].some(({ state }) => state.kind === "new");
    const isWanted = !this.#queryProblem && (this.#toCheck.size > 0 || hasNew);
    const delayMs = isWanted ? 0 : Math.max(0, this.#schedule.dueAtMs - performance.now());
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#pass(), delayMs);
  }

  /** Fills a new feed with the newest operations. */
  async #load(feed: Feed): Promise<void> {
    feed.loading();
    const settled: Promise<void>[] = [];
    const listing = listNewest(this.#listing, {
      idPrefix: feed.prefix,
      wanted: CAPACITY,
      onWindow: (listed) => {
        if (this.#feeds.has(feed))
          for (const each of listed) settled.push(this.#take(each, [feed]));
      },
    });
    const { truncated, time } = await listing.catch((error) => {
      feed.notLoaded();
      throw error;
    });
    if (!this.#feeds.has(feed)) return;
    this.#feeds.set(feed, time);
    feed.listed(truncated);
    void Promise.all(settled).then(() => feed.loaded());
  }

  /** Finds what was created since the last pass, for all feeds. */
  async #findNew(): Promise<void> {
    const feeds = [...this.#feeds.keys()].filter(({ state }) => state.kind !== "new");
    if (feeds.length === 0) return;
    const idPrefix = commonPrefix(feeds.map(({ prefix }) => prefix));
    const createdFromMs = this.#reader.horizon.listedThroughMs;
    const since = { createdFromMs, idPrefix };
    this.#lastPass = await listSince(this.#listing, since, (each) => void this.#take(each, feeds));
  }

  #feedsToCheck(): Feed[] {
    const wanted = [...this.#toCheck];
    this.#toCheck.clear();
    let stalest: Feed | undefined;
    let stalestMs = performance.now() - this.#checkEveryMs;
    for (const [feed, checked] of this.#feeds) {
      if (!checked || checked.sentAtMs >= stalestMs) continue;
      stalest = feed;
      stalestMs = checked.sentAtMs;
    }
    if (stalest && !wanted.includes(stalest)) wanted.push(stalest);
    return wanted.filter((feed) => this.#feeds.has(feed) && feed.state.kind !== "new");
  }

  /** Compares the whole log of a feed with the scheduler (FEED-3). */
  async #check(feed: Feed): Promise<void> {
    const createdFromMs = feed.truncated ? feed.log.oldestCreatedAtMs : 0;
    const listed = new Set<string>();
    const settled: Promise<unknown>[] = [];
    const before = this.#feeds.get(feed);
    const since = { createdFromMs, idPrefix: feed.prefix };
    const first = await listSince(this.#listing, since, (each) => {
      const { id, createdAtMs } = each.instance;
      listed.add(id);
      const isNew = !feed.log.get(id) && !this.#followed.get(id);
      // Created since the last check, and dated before what was known then: a clock was set back.
      if (isNew && before) this.#reader.horizon.observeChange(createdAtMs, before.sentAtMs);
      settled.push(this.#take(each, [feed]));
    });
    for (const { operation } of [...feed.log.entries()]) {
      // It was purged, or queries lag.
      if (!listed.has(operation.id)) settled.push(this.#followed.readAlone(operation));
    }
    await Promise.all(settled);
    if (!this.#feeds.has(feed)) return;
    this.#feeds.set(feed, first);
    feed.checked(first.sentAtMs);
  }

  /** Takes a listed instance into the logs of `feeds`. @returns when its state is known */
  async #take({ instance, page }: ListedInstance, feeds: readonly Feed[]): Promise<void> {
    if (this.#closed) return;
    const { id } = instance;
    const carrying = feeds.filter(
      ({ prefix, log }) => id.startsWith(prefix) && log.hasRoomFor(instance),
    );
    if (carrying.length === 0) return;
    const { sentAtMs, asOfMs, horizonMs, complete } = page;
    const found: Found = { kind: "found", instance, sentAtMs, asOfMs, horizonMs };
    const watcher = this.#followed.get(id);
    if (watcher) {
      const outcome = watcher.take(found, complete);
      if (outcome === "incomplete" || outcome === "lagging") await watcher.refresh();
      const { operation } = watcher;
      if (operation) for (const feed of carrying) feed.put(operation);
      return;
    }
    const known = this.#known(id);
    if (known && isUnchanged(instance, known.instance)) {
      for (const feed of carrying) feed.put(known);
      return;
    }
    const operation = complete ? toOperation(instance) : undefined;
    if (!operation || (known && isBefore(operation.cursor, known.cursor))) {
      await this.#followed.follow(id, known, undefined);
      return;
    }
    this.#put(operation);
    if (!operation.terminal) await this.#followed.follow(id, operation, found);
  }

  /** Operations in whose place there are newer ones, or whose feed is no longer followed. */
  #unfollowUncarried(): void {
    this.#followed.retain(({ id, operation }) =>
      [...this.#feeds.keys()].some((feed) =>
        operation ? feed.log.get(id) : id.startsWith(feed.prefix),
      ),
    );
  }

  #known(id: string): Operation | undefined {
    for (const { log } of this.#feeds.keys()) {
      const entry = log.get(id);
      if (entry) return entry.operation;
    }
    return undefined;
  }

  #put(operation: Operation): void {
    for (const feed of this.#feeds.keys()) {
      if (operation.id.startsWith(feed.prefix) && feed.state.kind !== "new") feed.put(operation);
    }
  }

  #reportProblem(): void {
    for (const feed of this.#feeds.keys()) feed.setProblem(this.#queryProblem ?? this.#readProblem);
  }
}
