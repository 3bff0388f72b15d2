import { type Instance, isSameInstance } from "../dts/instance.ts";
import { type Problem, SchedulerUnavailableError } from "../errors.ts";
import type { BackOffOptions } from "./back-off.ts";
import { isBefore, isSameState } from "./cursor.ts";
import { type Operation, toOperation } from "./operation.ts";
import type { Refreshed } from "./page-pass.ts";
import type { PageReads, Watched } from "./page-reads.ts";
import type { Found, Poller, ReadOutcome } from "./poller.ts";
import type { ReadBudget } from "./read-budget.ts";
import { ReadSchedule } from "./read-schedule.ts";
import type { SchedulerClock } from "./scheduler-clock.ts";
import type { Subscription } from "./subscription.ts";

export interface WatcherOptions extends BackOffOptions {
  /** How long a watcher goes on after its last subscriber left, in milliseconds. */
  readonly lingerMs: number;
}

/** What all watchers of a process share. */
export interface Reading {
  readonly poller: Poller;
  readonly pages: PageReads;
  readonly budget: ReadBudget;
  readonly clock: SchedulerClock;
}

/** What a watcher tells its owner. */
export interface WatcherEvents {
  /** Once, when nobody has watched for `lingerMs`. The watcher is then closed. */
  onIdle(): void;
  /** Its cursor has moved. @returns whether somebody wants to know as soon as it moves again */
  onMoved(): boolean;
  /** Whether there is an end to wait for, whenever that changes. */
  onLife(alive: boolean): void;
}

/**
 * Reads one operation for all of its subscribers.
 *   W1. There is at most one read of its own under way, and reads do not grow with subscribers.
 *   W2. A subscriber is counted before the read whose outcome it gets (C5), so that nothing falls
 *       between its first state and the next.
 *   W3. A state from before the one already seen is dropped (C2), and so is what a read has found that
 *       was sent before one that has answered already: pages and single reads overtake each other.
 *   W4. A failed read backs off and costs no subscriber its place; each is told once.
 *   W5. An operation that was seen is gone only when two reads in a row do not find it.
 *   W6. After `close` no timer is left, and no read is begun.
 */
export class Watcher implements Watched {
  readonly id: string;
  readonly #options: WatcherOptions;
  readonly #poller: Poller;
  readonly #pages: PageReads;
  readonly #events: WatcherEvents;
  readonly #subscriptions = new Set<Subscription>();
  /** Those who have not been offered a state yet, with the time of their coming. */
  readonly #fresh = new Map<Subscription, number>();
  readonly #schedule: ReadSchedule;
  #operation: Operation | undefined;
  #asOfMs: number | undefined;
  #safeThroughMs = 0;
  /** When the newest read that brought an answer was sent, and when the last answer came. */
  #sentMs = Number.NEGATIVE_INFINITY;
  #answeredAtMs = Number.NEGATIVE_INFINITY;
  #problem: Problem | undefined;
  #notFound = 0;
  #alive = false;
  #lingerTimer: NodeJS.Timeout | undefined;
  /** The read under way: the poller's promise, and ours that also settles the outcome. */
  #read:
    | { readonly flight: Promise<ReadOutcome>; readonly settled: Promise<ReadOutcome> }
    | undefined;
  #closed = false;

  constructor(id: string, reading: Reading, options: WatcherOptions, events: WatcherEvents) {
    this.id = id;
    this.#poller = reading.poller;
    this.#pages = reading.pages;
    this.#options = options;
    this.#events = events;
    this.#schedule = new ReadSchedule(options, reading.budget, reading.clock, () => {
      if (!this.#pages.take(this)) void this.readNow();
    });
  }

  /** The newest state that was read. */
  get operation(): Operation | undefined {
    return this.#operation;
  }

  /** Epoch milliseconds of the last read that succeeded. */
  get asOfMs(): number | undefined {
    return this.#asOfMs;
  }

  /** Every change that the scheduler dated before this, in epoch milliseconds, has been seen. */
  get safeThroughMs(): number {
    return this.#safeThroughMs;
  }

  /** When it was created, in epoch milliseconds; `undefined` unless it is known to live. */
  get livingSinceMs(): number | undefined {
    return this.#alive ? this.#operation?.cursor.createdAtMs : undefined;
  }

  /** Milliseconds until the next read. */
  get nextReadMs(): number {
    return this.#schedule.nextReadMs;
  }

  /** The present time between two reads, in milliseconds. */
  get intervalMs(): number {
    return this.#schedule.intervalMs;
  }

  add(subscription: Subscription): void {
    clearTimeout(this.#lingerTimer);
    this.#subscriptions.add(subscription);
    this.#fresh.set(subscription, performance.now());
    if (this.#operation && this.#isCurrent() && !subscription.needsNewRead) {
      queueMicrotask(() => this.#welcome(subscription));
    } else if (!this.#read) {
      void this.readNow();
    }
  }

  remove(subscription: Subscription): void {
    this.#subscriptions.delete(subscription);
    this.#fresh.delete(subscription);
    if (this.#subscriptions.size > 0 || this.#closed) return;
    clearTimeout(this.#lingerTimer);
    this.#lingerTimer = setTimeout(() => {
      this.close();
      this.#events.onIdle();
    }, this.#options.lingerMs);
  }

  /** Reads at once, and tells the subscribers what was found. Never rejects. */
  readNow(): Promise<ReadOutcome> {
    this.#schedule.hold();
    const flight = this.#poller.read(this.id);
    if (this.#read?.flight === flight) return this.#read.settled;
    const settled = flight.then((outcome) => {
      if (this.#read?.flight === flight) this.#read = undefined;
      this.#settle(outcome, false);
      return outcome;
    });
    this.#read = { flight, settled };
    return settled;
  }

  refresh(found: Found): Refreshed {
    if (found.startedAtMs < this.#sentMs) return "not";
    const known = this.#operation;
    const isLate = this.#answeredAtMs > found.startedAtMs;
    const isBehind = known !== undefined && !isLate && isBefore(found.instance, known.cursor);
    this.#settle(found, true);
    return isBehind ? "behind" : "refreshed";
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#lingerTimer);
    this.#schedule.rest();
    this.#tellLife(false);
  }

  /**
   * Whether what is known is as fresh as a watched operation's state ever is. One that is over is not
   * read any more, and may have begun anew since.
   */
  #isCurrent(): boolean {
    if (this.#problem || this.#operation?.terminal) return false;
    return performance.now() - this.#answeredAtMs <= this.intervalMs * 2;
  }

  #welcome(subscription: Subscription): void {
    if (!this.#operation || this.#closed || !this.#fresh.delete(subscription)) return;
    subscription.offer(this.#operation);
  }

  #settle(outcome: ReadOutcome, byPage: boolean): void {
    if (this.#closed) return;
    if (outcome.kind !== "failed" && outcome.startedAtMs < this.#sentMs) {
      this.#readForLate(); // W3: a read that was sent later has been there
    } else if (outcome.kind === "found") {
      this.#sentMs = outcome.startedAtMs;
      this.#safeThroughMs = outcome.horizonMs;
      this.#found(outcome.instance, outcome.startedAtMs);
    } else if (outcome.kind === "missing") {
      this.#sentMs = outcome.startedAtMs;
      this.#missing(outcome.startedAtMs);
    } else this.#failed(outcome.error);
    if (!this.#read) this.#plan(byPage);
  }

  #found(instance: Instance, startedAtMs: number): void {
    this.#notFound = 0;
    const known = this.#operation;
    if (known && isSameInstance(instance, known.instance)) {
      this.#schedule.quiet(startedAtMs);
      this.#tell(known, startedAtMs, this.#fresh.keys());
      this.#readForLate();
      return;
    }
    const operation = toOperation(instance, known?.cursor);
    if (known && isBefore(operation.cursor, known.cursor)) {
      this.#schedule.quiet(startedAtMs); // W3
    } else if (known && isSameState(operation.cursor, known.cursor)) {
      // Its position moved on; its content, and all that was prepared of it, stays.
      // Who comes from another replica may have seen what was between, and must be told.
      this.#schedule.quiet(startedAtMs);
      this.#tell({ ...operation, content: known.content }, startedAtMs, this.#subscriptions);
      if (this.#events.onMoved()) this.#schedule.soon();
    } else {
      this.#schedule.changed(instance.lastUpdatedAtMs, startedAtMs);
      this.#tell(operation, startedAtMs, this.#subscriptions);
      this.#events.onMoved();
    }
    this.#readForLate();
  }

  #tell(operation: Operation, startedAtMs: number, whom: Iterable<Subscription>): void {
    this.#readSucceeded();
    this.#operation = operation;
    const late = this.#lateFor(startedAtMs);
    for (const each of [...whom]) {
      if (late.has(each) && (operation.terminal || each.needsNewRead)) continue;
      this.#fresh.delete(each);
      each.offer(operation);
    }
  }

  /**
   * Those who came while a read was on its way: they may know more than it has found, be it that the
   * operation began anew after that end.
   */
  #lateFor(startedAtMs: number): Set<Subscription> {
    const late = new Set<Subscription>();
    for (const [each, cameAtMs] of this.#fresh) if (cameAtMs > startedAtMs) late.add(each);
    return late;
  }

  #readForLate(): void {
    if (this.#fresh.size > 0 && !this.#read) void this.readNow();
  }

  #readSucceeded(): void {
    this.#asOfMs = Date.now();
    this.#answeredAtMs = performance.now();
    if (!this.#problem) return;
    this.#problem = undefined;
    for (const each of [...this.#subscriptions]) each.recover();
  }

  #missing(startedAtMs: number): void {
    this.#readSucceeded();
    this.#notFound += 1;
    if (this.#operation && !this.#operation.terminal && this.#notFound < 2) {
      this.#schedule.soon(); // W5
      return;
    }
    this.#operation = undefined;
    const late = this.#lateFor(startedAtMs);
    for (const each of [...this.#subscriptions]) {
      if (!late.has(each)) each.end(this.#fresh.has(each) ? "not-found" : "gone");
    }
    this.#readForLate();
  }

  #failed(cause: unknown): void {
    this.#schedule.failed();
    this.#problem ??= new SchedulerUnavailableError(cause).toProblem();
    for (const each of [...this.#subscriptions]) each.trouble(this.#problem); // W4
  }

  #plan(byPage: boolean): void {
    this.#tellLife(this.#operation !== undefined && !this.#operation.terminal);
    if (this.#closed || this.#isOver()) this.#schedule.rest();
    else this.#schedule.plan(byPage);
  }

  #tellLife(alive: boolean): void {
    if (alive === this.#alive) return;
    this.#alive = alive;
    this.#events.onLife(alive);
  }

  /**
   * Nothing is left to wait for: the operation has ended, or there is none. Who came with a cursor
   * from after that end knows that it was not the last, and waits for what follows.
   */
  #isOver(): boolean {
    if (this.#problem) return false;
    if (!this.#operation) return this.#notFound > 0;
    return this.#operation.terminal && [...this.#subscriptions].every(({ ended }) => ended);
  }
}
