import { isSameInstance, isUnchanged } from "../../dts/instance.ts";
import type { IsShown } from "../operation/announced.ts";
import { isBefore, isSameState } from "../operation/cursor.ts";
import { type Operation, toOperation } from "../operation/operation.ts";
import type { Requester } from "../reading/fair-queue.ts";
import type { Horizon } from "../reading/horizon.ts";
import { type PollIntervals, PollSchedule } from "../reading/poll-schedule.ts";
import type { Found, Reader, ReadOutcome, ReadTime } from "../reading/reader.ts";
import { Announcement, type Announcer } from "./announcement.ts";
import { OwnReads } from "./own-reads.ts";
import { Persistence } from "./persistence.ts";
import { Subscribers } from "./subscribers.ts";
import type { Subscription } from "./subscription.ts";
import type { Refreshed } from "./sweeper.ts";
import type { WatcherEvents } from "./watcher-events.ts";

/**
 * Reads one operation for all of its subscribers.
 *   WATCH-1. At most one read of its own is in flight, and reads do not grow with subscribers.
 *   WATCH-2. A subscriber is counted before the read whose outcome it gets (C5), so that no change falls
 *       between its first state and the next.
 *   WATCH-3. The outcome of a read that was sent before one that has already returned is dropped, and
 *       so is a state before the known one (C2), unless reads keep returning it (persistence.ts).
 *   WATCH-4. A failed read backs off and ends no subscription; each subscriber is notified once.
 *   WATCH-5. A known active operation is gone only when two reads in a row do not find it.
 *   WATCH-6. An announced change is read for at once, and again until it is shown (POLL-2) by a read that
 *       was sent after the announcement.
 *   WATCH-7. Hints are announcements. Those that come while a read is in flight share the next one.
 */
export class Watcher {
  readonly id: string;
  readonly #horizon: Horizon;
  readonly #reads: OwnReads;
  readonly #events: WatcherEvents;
  readonly #schedule: PollSchedule;
  readonly #subscribers = new Subscribers();
  #operation: Operation | undefined;
  #asOfMs: number | undefined;
  #safeThroughMs = 0;
  /** When the newest read that returned was sent, and when the last one returned. */
  #sentAtMs = Number.NEGATIVE_INFINITY;
  #returnedAtMs = Number.NEGATIVE_INFINITY;
  #behind: Persistence | undefined;
  #notFound = 0;
  readonly #announcement = new Announcement();
  #closed = false;

  constructor(id: string, reader: Reader, intervals: PollIntervals, events: WatcherEvents) {
    this.id = id;
    this.#horizon = reader.horizon;
    this.#reads = new OwnReads(id, reader, (outcome) => this.#takeOutcome(outcome));
    this.#events = events;
    this.#schedule = new PollSchedule(intervals);
  }

  /** The newest state that was read. */
  get operation(): Operation | undefined {
    return this.#operation;
  }

  /** When the last successful read was sent, in epoch milliseconds. */
  get asOfMs(): number | undefined {
    return this.#asOfMs;
  }

  /** Every change that the scheduler dated before this, in epoch milliseconds, has been seen. */
  get safeThroughMs(): number {
    return this.#safeThroughMs;
  }

  /** When it was created, in epoch milliseconds; `undefined` unless it is known to be active. */
  get activeSinceMs(): number | undefined {
    const known = this.#operation;
    return known && !known.terminal ? known.cursor.createdAtMs : undefined;
  }

  /** When the next read is due, by `performance.now()`; infinity while none is planned. */
  get dueAtMs(): number {
    return this.#reads.inFlight ? Number.POSITIVE_INFINITY : this.#schedule.dueAtMs;
  }

  /** The present time between two reads, in milliseconds. */
  get intervalMs(): number {
    return this.#schedule.intervalMs;
  }

  /** Since when it has no subscribers, by `performance.now()`. */
  get idleSinceMs(): number | undefined {
    return this.#subscribers.idleSinceMs;
  }

  /** By whom a change was announced that reads have not shown, if one was. */
  get announcedBy(): Announcer | undefined {
    return this.#schedule.expecting ? this.#announcement.by : undefined;
  }

  add(subscription: Subscription): void {
    this.#subscribers.add(subscription);
    this.#reportEnd();
    if (this.#isCurrent() && !subscription.needsNewRead) {
      queueMicrotask(() => this.#welcome(subscription));
    } else if (this.#reads.inFlight) this.#reads.hurry(subscription.requester);
    else void this.readNow(subscription.requester);
  }

  remove(subscription: Subscription): void {
    this.#subscribers.remove(subscription);
    this.#reportEnd();
  }

  /** Reads at once, for a caller that waits for it. Never rejects. */
  readNow(requester: Requester): Promise<ReadOutcome> {
    return this.#reads.now(requester);
  }

  /** Reads because it is due, or a hint has come that a read in flight may not show. Never rejects. */
  refresh(): Promise<ReadOutcome> {
    if (this.#announcement.isAfter(this.#sentAtMs)) return this.#reads.now();
    return this.#reads.refresh();
  }

  /** Reads at once, for a change that this or a later read will show. */
  announce(isShown: IsShown | undefined): void {
    this.#announcement.announce("process", isShown);
    this.#schedule.announced(); // WATCH-6
    void this.#reads.now();
  }

  /** A hint says that it has changed, and the caller has it refreshed. `merged`: so does an earlier one. */
  hint(): "read" | "merged" {
    const waits = this.#schedule.expecting && this.#announcement.isAfter(this.#sentAtMs);
    this.#announcement.announce(this.announcedBy ?? "hint");
    this.#schedule.hint();
    return waits ? "merged" : "read";
  }

  /**
   * Takes what a sweep has listed.
   * @param complete whether it carries custom status and output
   */
  take(found: Found, complete: boolean): Refreshed {
    if (found.sentAtMs < this.#sentAtMs) return "superseded";
    const known = this.#operation;
    if (known && isBefore(found.instance, known.cursor)) {
      return this.#returnedAtMs <= found.sentAtMs ? "lagging" : "superseded";
    }
    if (complete) this.#settle(found);
    else if (known && isUnchanged(found.instance, known.instance)) {
      this.#settle({ ...found, instance: known.instance });
    } else return "incomplete";
    if (this.#announcement.isAfter(found.sentAtMs)) return "early"; // WATCH-6
    this.#plan(true);
    return "refreshed";
  }

  /** A sweep is about to refresh it: no read of its own is planned until then. */
  awaitSweep(): void {
    this.#schedule.stop();
  }

  close(): void {
    this.#closed = true;
    this.#schedule.stop();
    this.#reportEnd();
  }

  /** Whether the known state is as fresh as a watched operation's state ever is. */
  #isCurrent(): boolean {
    // A terminal operation is no longer read, and may have been restarted.
    if (!this.#operation || this.#operation.terminal || this.#subscribers.inOutage) return false;
    return performance.now() - this.#returnedAtMs <= this.intervalMs * 2;
  }

  #welcome(subscription: Subscription): void {
    const operation = this.#operation;
    if (!operation || this.#closed) return;
    if (this.#subscribers.welcome(subscription, operation, this.#asOfMs)) return;
    this.#schedule.changed();
    this.#plan(false);
  }

  #takeOutcome(outcome: ReadOutcome): void {
    if (this.#closed) return;
    if (outcome.kind === "failed") {
      this.#schedule.failed();
      this.#subscribers.outage(outcome.error); // WATCH-4
    } else this.#settle(outcome);
    this.#readForUnsettled();
    this.#plan(false);
  }

  #settle(outcome: Exclude<ReadOutcome, { kind: "failed" }>): void {
    if (outcome.sentAtMs < this.#sentAtMs) return; // WATCH-3
    const beforeMs = this.#sentAtMs;
    const before = this.#operation;
    this.#sentAtMs = outcome.sentAtMs;
    this.#returnedAtMs = performance.now();
    if (this.#announcement.isMissing(beforeMs)) this.#events.onBackstop();
    if (outcome.kind === "found") this.#find(outcome, beforeMs);
    else this.#miss(outcome);
    this.#events.onReadsSaved(this.#schedule.savedIn(outcome.sentAtMs - beforeMs));
    if (!this.#schedule.expecting) return;
    const isShown = this.#announcement.isShownBy(outcome.sentAtMs, before, this.#operation);
    if (isShown) this.#schedule.shown(); // WATCH-6
  }

  #find(found: Found, beforeMs: number): void {
    this.#notFound = 0;
    this.#subscribers.recover();
    const { instance, sentAtMs } = found;
    const since = this.#asOfMs;
    const known = this.#operation;
    if (known && isSameInstance(instance, known.instance)) {
      this.#advance(found);
      this.#behind = undefined;
      this.#schedule.quiet();
      this.#subscribers.notifyUnsettled({ operation: known, sentAtMs, since });
      return;
    }
    const operation = toOperation(instance);
    let accepted = false;
    if (known && isBefore(operation.cursor, known.cursor)) {
      this.#behind ??= new Persistence();
      accepted = this.#behind.observe();
      if (!accepted) {
        this.#schedule.changed(); // Which of the two is true is to be known soon.
        this.#subscribers.notifyUnsettled({ operation: known, sentAtMs, since });
        return; // WATCH-3
      }
    }
    this.#advance(found);
    this.#behind = undefined;
    if (known && isSameState(operation.cursor, known.cursor)) {
      // Only its position moved. Subscribers from other replicas may have seen a state in between, and
      // are sent this one.
      this.#schedule.quiet();
      this.#operation = operation;
      this.#subscribers.notify({ operation, sentAtMs, since, accepted });
      if (this.#events.onMoved()) this.#schedule.changed();
      return;
    }
    if (known) this.#horizon.observeChange(instance.lastUpdatedAtMs, beforeMs);
    if (known && this.#schedule.hinted && !this.#announcement.isAfter(beforeMs)) {
      this.#schedule.hintsAreMissing();
      this.#announcement.miss();
    }
    this.#schedule.changed();
    this.#operation = operation;
    this.#subscribers.notify({ operation, sentAtMs, since, accepted });
    this.#events.onMoved();
  }

  #advance({ asOfMs, horizonMs }: ReadTime): void {
    this.#asOfMs = asOfMs;
    this.#safeThroughMs = horizonMs;
  }

  /** Some came while a read was in flight that could not serve them, or know a later state. */
  #readForUnsettled(): void {
    const first = this.#subscribers.firstUnsettled;
    if (!first || this.#reads.inFlight || this.#subscribers.inOutage) return;
    if (first.cameAtMs > this.#sentAtMs) void this.readNow(first.subscription.requester);
    else this.#schedule.changed();
  }

  #miss(time: ReadTime): void {
    this.#subscribers.recover();
    this.#notFound += 1;
    const isAwaited = this.#schedule.expecting && this.#announcement.needsOperation; // WATCH-6
    const isActive = this.#operation && !this.#operation.terminal && this.#notFound < 2; // WATCH-5
    if (isAwaited || isActive) {
      this.#schedule.changed();
      return;
    }
    this.#advance(time);
    this.#operation = undefined;
    this.#subscribers.end(time);
  }

  #plan(swept: boolean): void {
    if (this.#closed) return;
    this.#reportEnd();
    if (this.#reads.inFlight) return;
    if (this.#isSettled()) this.#schedule.stop();
    else this.#schedule.plan(swept);
  }

  /** Nothing is left to wait for: the operation is terminal, or there is none, and all know. */
  #isSettled(): boolean {
    if (this.#subscribers.inOutage) return false;
    if (!this.#operation) return this.#notFound > 0 && !this.#subscribers.firstUnsettled;
    return this.#operation.terminal && this.#subscribers.allEnded;
  }

  #reportEnd(): void {
    const isActive = !this.#closed && this.activeSinceMs !== undefined;
    this.#events.onAwaitsEnd(isActive && this.#subscribers.awaitEnd);
  }
}
