import { OperationNotFoundError, SchedulerProblemError } from "../../problems.ts";
import type { Metrics } from "../metrics.ts";
import type { IsShown } from "../operation/announced.ts";
import { isBefore, type ResumePoint } from "../operation/cursor.ts";
import { type Operation, toWholeOperation, WholeOperation } from "../operation/operation.ts";
import type { CompletionWaits } from "../reading/completion-waits.ts";
import type { Requester } from "../reading/fair-queue.ts";
import type { Listing } from "../reading/listing.ts";
import type { PollIntervals } from "../reading/poll-schedule.ts";
import type { ReadBudget } from "../reading/read-budget.ts";
import type { DebugLog, Found, Reader } from "../reading/reader.ts";
import { type Subscriber, Subscription, type SubscriptionObserver } from "./subscription.ts";
import { Sweeper } from "./sweeper.ts";
import { Watcher } from "./watcher.ts";

export interface WatchOptions {
  readonly intervals: PollIntervals;
  /** Most instances per page of a sweep; 0 for no sweeps. */
  readonly pageSize: number;
  /** Subscriptions of one caller at a time. */
  readonly maxSubscriptionsPerCaller: number;
  readonly metrics: Metrics;
  readonly log: DebugLog;
  /** The cursor of an operation has moved. @returns whether its next move matters at once, too */
  onMoved(id: string): boolean;
}

/** What reads for the registry. */
export interface Reading {
  readonly reader: Reader;
  readonly budget: ReadBudget;
  readonly listing: Listing;
  /** Waits for the end of operations; `onCompleted` of it must call `announce`. */
  readonly completions: CompletionWaits;
}

/** How long an operation is read after its last subscriber left, for one that reconnects. */
const LINGER_MS = 5000;
/** How finely due times are kept, as a share of the shortest interval. */
const TICK_SHARE = 1 / 8;
const TICK_MIN_MS = 5;
const TICK_MAX_MS = 50;

/**
 * All operations that are watched in this process: one watcher each, however many subscribe.
 *   REGISTRY-1. One timer serves all watchers, so that those that are due together can be read together.
 *       It runs while something is watched. After `close` nothing is read.
 */
export class WatchRegistry {
  readonly #watchers = new Map<string, Watcher>();
  readonly #reading: Reading;
  readonly #sweeper: Sweeper;
  readonly #options: WatchOptions;
  readonly #metrics: Metrics;
  /** Subscriptions by their callers. */
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
      if (coalesced > 0) this.#metrics.coalesced.inc(coalesced);
    },
  };

  constructor(reading: Reading, options: WatchOptions) {
    this.#reading = reading;
    this.#options = options;
    this.#metrics = options.metrics;
    this.#sweeper = new Sweeper(reading.listing, this.#watchers, options.pageSize);
  }

  /**
   * Sends `subscriber` the present state of operation `id` and, from then on, each change, until the
   * end. Nothing is sent before this call has returned. To a caller that may not read the operation
   * there is none (ACCESS-3).
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
    this.countCaller(requester, 1);
    this.#options.log.debug(
      { operation: id, resumes: resume !== undefined },
      "subscription opened",
    );
    if (requester.access.mayRead(id)) this.#watcher(id).add(subscription);
    else queueMicrotask(() => subscription.end("not-found"));
    return subscription;
  }

  /** Whether a caller may have so many subscriptions more. */
  hasRoomFor({ access: { caller } }: Requester, count: number): boolean {
    return (this.#callers.get(caller) ?? 0) + count <= this.#options.maxSubscriptionsPerCaller;
  }

  /** Counts a subscription of a caller that begins or ends. Those to operations are counted here already. */
  countCaller({ access: { caller } }: Requester, change: 1 | -1): void {
    const count = (this.#callers.get(caller) ?? 0) + change;
    if (count > 0) this.#callers.set(caller, count);
    else this.#callers.delete(caller);
  }

  /** To be called once for each subscription, also for one that ended by itself. */
  unsubscribe(subscription: Subscription): void {
    subscription.cancel();
    this.#options.log.debug({ operation: subscription.id }, "subscription closed");
    this.#metrics.subscriptions.dec();
    this.countCaller(subscription.requester, -1);
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
   * @throws OperationNotFoundError, SchedulerProblemError
   */
  async read(id: string, requester: Requester): Promise<Operation> {
    return (await this.readWhole(id, requester)).operation;
  }

  /** As `read`, with what is not kept: the input as serialised JSON, and the stack of a failure. */
  async readWhole(id: string, requester: Requester): Promise<WholeOperation> {
    requester.access.checkRead(id);
    const watcher = this.#watchers.get(id);
    const outcome = await (watcher?.readNow(requester) ?? this.#reading.reader.read(id, requester));
    if (outcome.kind === "missing") throw new OperationNotFoundError(id);
    if (outcome.kind === "failed") throw new SchedulerProblemError(outcome.error);
    const found = toWholeOperation(outcome.instance);
    const known = watcher?.operation;
    // A scheduler may answer with an earlier state than it has answered before.
    if (known && isBefore(found.operation.cursor, known.cursor)) {
      return new WholeOperation(known, found);
    }
    return found;
  }

  /** An operation has changed, or is about to. If it is watched, it is read until that is shown (WATCH-6). */
  announce(id: string, isShown?: IsShown): void {
    this.#watchers.get(id)?.announce(isShown);
  }

  /** A hint: these have changed. Operations that are not watched are not read, and cost nothing. */
  hint(ids: readonly string[]): void {
    const hinted = new Set<Watcher>();
    for (const id of ids) {
      const watcher = this.#watchers.get(id);
      this.#metrics.hints.inc({ outcome: watcher?.hint() ?? "unwatched" });
      if (watcher) hinted.add(watcher);
    }
    this.#sweeper.refresh([...hinted]);
  }

  /** Resolves when the budget permits one more read, which the caller then makes. */
  async permit(): Promise<void> {
    await this.#reading.budget.permit();
    this.#reading.budget.done();
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
    return this.#reading.reader.horizon.isValid(throughMs);
  }

  /** The time after which a further read of an operation may find something new, in milliseconds. */
  intervalMs(id: string): number {
    return this.#watchers.get(id)?.intervalMs ?? this.#options.intervals.minMs;
  }

  /** Stops all reading. Subscriptions must have been cancelled before. */
  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#sweeper.close();
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    this.#reading.completions.close();
    this.#metrics.watchedOperations.set(0);
  }

  #watcher(id: string): Watcher {
    let watcher = this.#watchers.get(id);
    if (!watcher) {
      watcher = new Watcher(id, this.#reading.reader, this.#options.intervals, {
        onMoved: () => this.#options.onMoved(id),
        onBackstop: () => this.#metrics.backstopReads.inc(),
        onReadsSaved: (count) => this.#metrics.readsSaved.inc(count),
        onAwaitsEnd: (awaits) =>
          awaits ? this.#reading.completions.add(id) : this.#reading.completions.remove(id),
      });
      this.#watchers.set(id, watcher);
      this.#metrics.watchedOperations.set(this.#watchers.size);
      if (!this.#closed) this.#timer ??= setInterval(() => this.#tick(), this.#tickMs);
    }
    return watcher;
  }

  get #tickMs(): number {
    return Math.min(TICK_MAX_MS, Math.max(TICK_MIN_MS, this.#options.intervals.minMs * TICK_SHARE));
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
