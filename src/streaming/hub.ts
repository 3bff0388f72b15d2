import { OperationNotFoundError, SchedulerUnavailableError } from "../errors.ts";
import type { BackOffOptions } from "./back-off.ts";
import { type CompletionWaiter, CompletionWatch } from "./completion-watch.ts";
import { type Cursor, isBefore, type ResumePoint } from "./cursor.ts";
import { Feeds } from "./feeds.ts";
import type { Freshness } from "./freshness.ts";
import type { Metrics } from "./metrics.ts";
import { type Operation, toOperation } from "./operation.ts";
import { PageReads } from "./page-reads.ts";
import type { InstanceReader, ReadOutcome } from "./poller.ts";
import { Poller, type TroubleLog } from "./poller.ts";
import { ReadBudget } from "./read-budget.ts";
import { SchedulerClock } from "./scheduler-clock.ts";
import type { HistoryReader } from "./steps/step-source.ts";
import { StepSources } from "./steps/step-sources.ts";
import { type Subscriber, Subscription, type SubscriptionObserver } from "./subscription.ts";
import { type Reading, Watcher } from "./watcher.ts";

/** Times in milliseconds. The README's table has the defaults. */
export interface HubOptions {
  readonly pollMinMs: number;
  readonly pollMaxMs: number;
  readonly pollReadsPerSecond: number;
  /** Instances per page of a query that is read in the place of many operations; 0 for none. */
  readonly pollPageSize: number;
  /** Calls that wait for the end of an operation, at a time; 0 for none. */
  readonly completionCalls: number;
}

/** How long an operation is read on after its last subscriber left, for one that reconnects. */
const LINGER_MS = 5000;

/** Time between two passes of pages, as a share of the shortest interval: its shortest with jitter. */
const PAGES_EVERY = 0.85;

/** What the hub needs of the scheduler. */
export type HubScheduler = InstanceReader & CompletionWaiter & HistoryReader;

/** All operations that are watched in this process: one watcher each, however many subscribe. */
export class Hub {
  readonly feeds: Feeds;
  readonly steps: StepSources;
  readonly #watchers = new Map<string, Watcher>();
  readonly #reading: Reading;
  readonly #completions: CompletionWatch;
  readonly #backOff: BackOffOptions;
  readonly #metrics: Metrics;
  readonly #observer: SubscriptionObserver = {
    onResumed: (outcome) => this.#metrics.resumes.inc({ outcome }),
    onSent: ({ type, operation, coalesced }) => {
      if (type !== "update") return;
      const lagMs = Math.max(0, Date.now() - operation.cursor.lastUpdatedAtMs);
      this.#metrics.deliveryLag.observe(lagMs / 1000);
      this.#metrics.coalesced.inc(coalesced);
    },
  };

  constructor(scheduler: HubScheduler, options: HubOptions, metrics: Metrics, log: TroubleLog) {
    this.#backOff = { minMs: options.pollMinMs, maxMs: options.pollMaxMs };
    this.#metrics = metrics;
    const budget = new ReadBudget({ readsPerSecond: options.pollReadsPerSecond });
    const poller = new Poller(scheduler, budget, metrics, log);
    const pages = new PageReads(poller, budget, this.#watchers, {
      pageSize: options.pollPageSize,
      everyMs: options.pollMinMs * PAGES_EVERY,
    });
    this.#reading = { poller, pages, budget, clock: new SchedulerClock() };
    this.feeds = new Feeds(poller, budget, this.#backOff);
    this.steps = new StepSources(scheduler, budget, metrics);
    this.#completions = new CompletionWatch(scheduler, options.completionCalls, (id) =>
      this.wake(id),
    );
  }

  /**
   * Tells `subscriber` where operation `id` stands and, from then on, of each transition, until the
   * end. Nothing is said before this call has returned.
   * @param resume what the subscriber has already
   */
  subscribe(id: string, subscriber: Subscriber, resume: ResumePoint | undefined): Subscription {
    const subscription = new Subscription(id, subscriber, this.#observer, resume);
    this.#metrics.subscriptions.inc();
    this.#watcher(id).add(subscription);
    return subscription;
  }

  /** To be called once for each subscription, also for one that ended by itself. */
  unsubscribe(subscription: Subscription): void {
    subscription.cancel();
    this.#metrics.subscriptions.dec();
    this.#watchers.get(subscription.id)?.remove(subscription);
  }

  /**
   * Reads an operation now, for one who asks once.
   * @param seen a state that the asker has seen
   * @throws OperationNotFoundError, SchedulerUnavailableError
   */
  async read(id: string, seen?: Cursor): Promise<Operation> {
    const watcher = this.#watchers.get(id);
    const outcome: ReadOutcome = await (watcher?.readNow() ?? this.#reading.poller.read(id));
    if (outcome.kind === "found") {
      const found = toOperation(outcome.instance, seen);
      const known = watcher?.operation;
      // A scheduler may answer with an older state than it has answered before; and who asks once sees
      // a continue-as-new under way as those see it who watch.
      const isKnown = known && found.cursor.text === known.cursor.text;
      return isKnown || (known && isBefore(found.cursor, known.cursor)) ? known : found;
    }
    if (outcome.kind === "missing") throw new OperationNotFoundError(id);
    throw new SchedulerUnavailableError(outcome.error);
  }

  /** Makes the watcher of an operation read at once, because something has happened to it. */
  wake(id: string): void {
    void this.#watchers.get(id)?.readNow();
  }

  /** Resolves when the budget allows for one more read, which the caller then makes. */
  async turn(): Promise<void> {
    await this.#reading.budget.turn();
    this.#reading.budget.done();
  }

  /** When the stalest of these operations was last read with success, and when one is read next. */
  freshness(subscriptions: readonly Subscription[]): Freshness {
    let asOfMs: number | undefined = Number.POSITIVE_INFINITY;
    let nextReadMs = Number.POSITIVE_INFINITY;
    for (const { id } of subscriptions) {
      const watcher = this.#watchers.get(id);
      asOfMs = Math.min(asOfMs, watcher?.asOfMs ?? 0);
      nextReadMs = Math.min(nextReadMs, watcher?.nextReadMs ?? 0);
    }
    return {
      asOfMs: asOfMs > 0 && Number.isFinite(asOfMs) ? asOfMs : undefined,
      nextReadMs: Number.isFinite(nextReadMs) ? nextReadMs : 0,
    };
  }

  /** Up to when all changes of an operation have been seen, by the scheduler's clock. */
  safeThroughMs(id: string): number {
    return this.#watchers.get(id)?.safeThroughMs ?? 0;
  }

  /** The time after which a further read of an operation may find something new, in milliseconds. */
  intervalMs(id: string): number {
    return this.#watchers.get(id)?.intervalMs ?? this.#backOff.minMs * this.#reading.budget.stretch;
  }

  /** Stops all reading. Subscriptions must have been cancelled before. */
  close(): void {
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#reading.pages.close();
    this.feeds.close();
    this.steps.close();
    this.#watchers.clear();
    this.#completions.close();
    this.#metrics.watchedOperations.set(0);
  }

  #watcher(id: string): Watcher {
    let watcher = this.#watchers.get(id);
    if (!watcher) {
      const options = { ...this.#backOff, lingerMs: LINGER_MS };
      watcher = new Watcher(id, this.#reading, options, {
        onIdle: () => this.#forget(id),
        onMoved: () => this.steps.moved(id),
        onLife: (alive) => (alive ? this.#completions.add(id) : this.#completions.remove(id)),
      });
      this.#watchers.set(id, watcher);
      this.#metrics.watchedOperations.set(this.#watchers.size);
    }
    return watcher;
  }

  #forget(id: string): void {
    this.#watchers.delete(id);
    this.#metrics.watchedOperations.set(this.#watchers.size);
  }
}
