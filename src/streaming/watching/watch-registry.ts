import { OperationNotFoundError, SchedulerUnavailableError } from "../../errors.ts";
import { type CompletionWaiter, CompletionWaits } from "../reading/completion-waits.ts";
import { isBefore, type ResumePoint } from "../operation/cursor.ts";
import type { Requester } from "../reading/fair-queue.ts";
import { Feeds } from "../feed/feed-registry.ts";
import { Listing } from "../reading/listing.ts";
import type { Metrics } from "../metrics.ts";
import { type Operation, toOperation } from "../operation/operation.ts";
import type { PollIntervals } from "../reading/poll-schedule.ts";
import { ReadBudget } from "../reading/read-budget.ts";
import { type Found, type InstanceReader, type OutageLog, Reader } from "../reading/reader.ts";
import type { HistoryReader } from "../steps/step-source.ts";
import { StepSources } from "../steps/step-sources.ts";
import { type Subscriber, Subscription, type SubscriptionObserver } from "./subscription.ts";
import { Sweeper } from "./sweeper.ts";
import { Watcher } from "./watcher.ts";

/** Times in milliseconds. The README's table has the defaults. */
export interface HubOptions {
  readonly pollMinMs: number;
  readonly pollMaxMs: number;
  readonly pollReadsPerSecond: number;
  /** Instances per page of a sweep, which takes the place of many reads; 0 for no sweeps. */
  readonly pollPageSize: number;
  /** Calls that wait for the end of an operation, at a time; 0 for none. */
  readonly completionCalls: number;
  /** Different prefixes whose feeds are followed at a time. */
  readonly maxFeeds: number;
  /** Subscriptions of one caller, that is of one address, at a time. */
  readonly maxSubscriptionsPerCaller: number;
}

/** How long an operation is read after its last subscriber left, for one that reconnects. */
const LINGER_MS = 5000;
/** How finely due times are kept, as a share of the shortest interval. */
const TICK_SHARE = 1 / 8;
const TICK_MIN_MS = 5;
const TICK_MAX_MS = 50;

/** What the hub needs of the scheduler. */
export type HubScheduler = InstanceReader & CompletionWaiter & HistoryReader;

/**
 * All operations that are watched in this process: one watcher each, however many subscribe.
 *   HUB-1. One timer serves all watchers, so that those that are due together can be read together.
 *       It runs while something is watched. After `close` nothing is read.
 */
export class Hub {
  readonly feeds: Feeds;
  readonly steps: StepSources;
  readonly #watchers = new Map<string, Watcher>();
  readonly #reader: Reader;
  readonly #budget: ReadBudget;
  readonly #sweeper: Sweeper;
  readonly #completions: CompletionWaits;
  readonly #intervals: PollIntervals;
  readonly #metrics: Metrics;
  readonly #maxSubscriptionsPerCaller: number;
  /** Subscriptions by the address of their callers. */
  readonly #callers = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  readonly #observer: SubscriptionObserver = {
    onResumed: (outcome) => this.#metrics.resumes.inc({ outcome }),
    onSent: ({ type, operation, coalesced }) => {
      if (type !== "update") return;
      // Two clocks: a date of the scheduler and ours. The lag is as exact as they agree.
      const lagMs = Math.max(0, Date.now() - operation.cursor.lastUpdatedAtMs);
      this.#metrics.deliveryLag.observe(lagMs / 1000);
      this.#metrics.coalesced.inc(coalesced);
    },
  };

  constructor(scheduler: HubScheduler, options: HubOptions, metrics: Metrics, log: OutageLog) {
    this.#intervals = { minMs: options.pollMinMs, maxMs: options.pollMaxMs };
    this.#maxSubscriptionsPerCaller = options.maxSubscriptionsPerCaller;
    this.#metrics = metrics;
    this.#budget = new ReadBudget({ readsPerSecond: options.pollReadsPerSecond });
    this.#reader = new Reader(scheduler, this.#budget, metrics, log);
    const listing = new Listing(this.#reader, options.pollPageSize || 500);
    this.#sweeper = new Sweeper(listing, this.#watchers, options.pollPageSize);
    this.#completions = new CompletionWaits(scheduler, options.completionCalls, metrics, (id) =>
      this.wake(id),
    );
    this.feeds = new Feeds(this, this.#reader, listing, this.#intervals, options.maxFeeds);
    this.steps = new StepSources(scheduler, this.#budget, metrics);
  }

  /**
   * Sends `subscriber` the present state of operation `id` and, from then on, each change, until the
   * end. Nothing is sent before this call has returned.
   * @param resume what the subscriber received on a former connection
   * @param requester whose reads these are
   */
  subscribe(
    id: string,
    subscriber: Subscriber,
    resume: ResumePoint | undefined,
    requester: Requester,
  ): Subscription {
    const options = { resume, requester };
    const subscription = new Subscription(id, subscriber, this.#observer, options);
    this.#metrics.subscriptions.inc();
    this.#countCaller(requester, 1);
    this.#watcher(id).add(subscription);
    return subscription;
  }

  /** Whether a caller may have so many subscriptions more. */
  hasRoomFor({ address }: Requester, count: number): boolean {
    return (this.#callers.get(address) ?? 0) + count <= this.#maxSubscriptionsPerCaller;
  }

  /** To be called once for each subscription, also for one that ended by itself. */
  unsubscribe(subscription: Subscription): void {
    subscription.cancel();
    this.#metrics.subscriptions.dec();
    this.#countCaller(subscription.requester, -1);
    this.#watchers.get(subscription.id)?.remove(subscription);
  }

  /** Adds a subscription that is not a client's. @param found what a query has listed of its operation */
  watch(subscription: Subscription, found: Found | undefined): Watcher {
    const watcher = this.#watcher(subscription.id);
    if (found) watcher.take(found, true);
    watcher.add(subscription);
    return watcher;
  }

  /** Removes a subscription that is not a client's. */
  unwatch(subscription: Subscription): void {
    subscription.cancel();
    this.#watchers.get(subscription.id)?.remove(subscription);
  }

  /**
   * Reads an operation now, for a request that is answered once.
   * @throws OperationNotFoundError, SchedulerUnavailableError
   */
  async read(id: string, requester: Requester): Promise<Operation> {
    const watcher = this.#watchers.get(id);
    const outcome = await (watcher?.readNow(requester) ?? this.#reader.read(id, requester));
    if (outcome.kind === "missing") throw new OperationNotFoundError(id);
    if (outcome.kind === "failed") throw new SchedulerUnavailableError(outcome.error);
    const found = toOperation(outcome.instance);
    const known = watcher?.operation;
    // A scheduler may answer with an earlier state than it has answered before.
    return known && isBefore(found.cursor, known.cursor) ? known : found;
  }

  /** Makes the watcher of an operation read at once, because something has happened to it. */
  wake(id: string): void {
    void this.#watchers.get(id)?.readNow(HUB);
    this.feeds.expect();
  }

  /** Resolves when the budget permits one more read, which the caller then makes. */
  async permit(): Promise<void> {
    await this.#budget.permit();
    this.#budget.done();
  }

  /**
   * Epoch milliseconds: no change older than this is missing from what was sent to any of these.
   * `undefined` where one of them has no settled state yet.
   */
  asOfMs(subscriptions: Iterable<Subscription>): number | undefined {
    let oldestMs = Number.POSITIVE_INFINITY;
    for (const each of subscriptions) {
      const asOfMs = each.asOfMs(this.#watchers.get(each.id)?.asOfMs);
      if (asOfMs === undefined) return undefined;
      oldestMs = Math.min(oldestMs, asOfMs);
    }
    return Number.isFinite(oldestMs) ? oldestMs : undefined;
  }

  /** Every change of an operation that the scheduler dated before this has been seen. */
  safeThroughMs(id: string): number {
    return this.#watchers.get(id)?.safeThroughMs ?? 0;
  }

  /** Whether a watermark's date can be compared with the scheduler's dates of today (HORIZON-1). */
  isValidThrough(throughMs: number): boolean {
    return this.#reader.horizon.isValid(throughMs);
  }

  /** The time after which a further read of an operation may find something new, in milliseconds. */
  intervalMs(id: string): number {
    return this.#watchers.get(id)?.intervalMs ?? this.#intervals.minMs;
  }

  /** Stops all reading. Subscriptions must have been cancelled before. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#sweeper.close();
    this.feeds.close();
    this.steps.close();
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    this.#completions.close();
    this.#metrics.watchedOperations.set(0);
  }

  #watcher(id: string): Watcher {
    let watcher = this.#watchers.get(id);
    if (!watcher) {
      watcher = new Watcher(id, this.#reader, this.#intervals, {
        onMoved: () => this.steps.moved(id),
        onAwaitsEnd: (awaits) =>
          awaits ? this.#completions.add(id) : this.#completions.remove(id),
      });
      this.#watchers.set(id, watcher);
      this.#metrics.watchedOperations.set(this.#watchers.size);
      if (!this.#closed) this.#timer ??= setInterval(() => this.#tick(), this.#tickMs);
    }
    return watcher;
  }

  #countCaller({ address }: Requester, change: 1 | -1): void {
    const count = (this.#callers.get(address) ?? 0) + change;
    if (count > 0) this.#callers.set(address, count);
    else this.#callers.delete(address);
  }

  get #tickMs(): number {
    return Math.min(TICK_MAX_MS, Math.max(TICK_MIN_MS, this.#intervals.minMs * TICK_SHARE));
  }

  #tick(): void {
    const nowMs = performance.now();
    const due: Watcher[] = [];
    for (const watcher of this.#watchers.values()) {
      if (watcher.idleSinceMs !== undefined && nowMs - watcher.idleSinceMs >= LINGER_MS) {
        this.#forget(watcher);
      } else if (watcher.dueAtMs <= nowMs) due.push(watcher);
    }
    if (due.length > 0) this.#sweeper.refresh(due);
  }

  #forget(watcher: Watcher): void {
    watcher.close();
    this.#watchers.delete(watcher.id);
    this.#metrics.watchedOperations.set(this.#watchers.size);
    if (this.#watchers.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** Reads that this process causes by itself. */
const HUB: Requester = { address: "this process" };
