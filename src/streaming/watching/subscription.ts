import type { Problem } from "../../problems.ts";
import { type Cursor, isBefore, isSameState, type ResumePoint } from "../operation/cursor.ts";
import type { Operation } from "../operation/operation.ts";
import { type StateEvent, snapshotOf, updateOf } from "../operation/state-event.ts";
import type { Requester } from "../reading/fair-queue.ts";
import { Persistence } from "./persistence.ts";

/** Why a subscription ended by itself. */
export type EndReason =
  /** The operation is terminal, and that state was sent. */
  | "terminal"
  /** There is no such operation. */
  | "not-found"
  /** It was purged while it was watched. */
  | "gone";

/** What a subscription needs of the stream that it feeds. Called synchronously; must not throw. */
export interface Subscriber {
  /** False while the client does not keep up with what was sent. */
  readonly ready: boolean;
  onEvent(event: StateEvent, subscription: Subscription): void;
  /** The cursor of a former connection is still current: there is nothing to send. */
  onUnchanged(subscription: Subscription): void;
  onEnd(reason: EndReason, subscription: Subscription): void;
  /** Reading fails, from now on until `onRecovered`. */
  onOutage(problem: Problem, subscription: Subscription): void;
  onRecovered(subscription: Subscription): void;
}

/** Counts what subscriptions do. */
export interface SubscriptionObserver {
  /** Whether the cursor of a resumed subscription was still current. */
  onResumed(outcome: "unchanged" | "changed"): void;
  onSent(event: StateEvent): void;
}

export interface SubscriptionOptions {
  /** What the subscriber received on a former connection. */
  readonly resume?: ResumePoint | undefined;
  /** Whose reads it causes. */
  readonly requester: Requester;
  /** Whether a wait for the operation's end is worth a call of its own. Default `true`. */
  readonly waitsForEnd?: boolean;
}

/**
 * One subscriber's view of one operation.
 *   C2. No state before the subscriber's position is sent, and no state twice in a row.
 *   C3. A terminal state is sent once, then the subscription ends.
 *   C4. With the cursor of a former connection, only what differs from it is sent.
 *   SUB-1. For a subscriber that is not ready at most the latest state is pending, and a count of
 *       the states it replaced; there is no queue.
 */
export class Subscription {
  readonly id: string;
  readonly requester: Requester;
  readonly waitsForEnd: boolean;
  readonly #subscriber: Subscriber;
  readonly #observer: SubscriptionObserver;
  readonly #resume: ResumePoint | undefined;
  /** What the subscriber last received, here or on a former connection. */
  #position: Cursor | undefined;
  /** What was last sent on this connection. */
  #sent: Operation | undefined;
  #pending: Operation | undefined;
  /** Epoch milliseconds up to which all was sent before `#pending`. */
  #pendingSinceMs: number | undefined;
  #coalesced = 0;
  /** Whether the subscriber's state is known to be the current one, or has been replaced by it. */
  #settled = false;
  #inOutage = false;
  #ended = false;
  /** While reads return states before the subscriber's position. */
  #ahead: Persistence | undefined;

  constructor(
    id: string,
    subscriber: Subscriber,
    observer: SubscriptionObserver,
    { resume, requester, waitsForEnd = true }: SubscriptionOptions,
  ) {
    this.id = id;
    this.requester = requester;
    this.waitsForEnd = waitsForEnd;
    this.#subscriber = subscriber;
    this.#observer = observer;
    this.#resume = resume;
    this.#position = resume?.position;
  }

  /**
   * Whether the subscriber may have seen, at another replica, more than is known here, and its resume
   * point does not say: then only a read that is sent from now on is no step back for it (C2).
   */
  get needsNewRead(): boolean {
    return this.#resume !== undefined && this.#position === undefined;
  }

  /** The cursor of the subscriber's state, to repeat in heartbeats. */
  get position(): Cursor | undefined {
    return this.#position;
  }

  /** The state that is pending until the subscriber is ready, if any. */
  get pending(): Operation | undefined {
    return this.#pending;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /**
   * Epoch milliseconds: no change older than this is missing from what was sent. `undefined` until
   * the first state is settled.
   * @param readAtMs when the last successful read of the operation was sent
   */
  asOfMs(readAtMs: number | undefined): number | undefined {
    if (!this.#settled) return undefined;
    return this.#pending ? this.#pendingSinceMs : readAtMs;
  }

  /**
   * Takes the state that a read returned.
   * @param since when the last read before it was sent, in epoch milliseconds
   * @param accepted whether it counts although it is dated before the subscriber's position
   * @returns whether the subscriber now has, or will be sent, the current state
   */
  notify(operation: Operation, since: number | undefined, accepted = false): boolean {
    if (this.#ended) return true;
    this.recover();
    if (this.#position && isBefore(operation.cursor, this.#position)) {
      this.#ahead ??= new Persistence();
      if (!accepted && !this.#ahead.observe()) return false; // C2
    }
    this.#ahead = undefined;
    if (this.#isKnown(operation)) {
      this.#pending = undefined;
      this.#coalesced = 0;
      this.#position = operation.cursor;
      if (this.#settle("unchanged")) this.#subscriber.onUnchanged(this);
      if (operation.terminal) this.end("terminal");
    } else if (this.#subscriber.ready) {
      this.#send(operation);
    } else if (!this.#pending) {
      this.#pending = operation; // SUB-1
      this.#pendingSinceMs = since;
    } else if (!isSameState(this.#pending.cursor, operation.cursor)) {
      this.#coalesced += 1;
      this.#pending = operation;
    }
    return true;
  }

  /** Sends the pending state. To be called when the subscriber is ready again. */
  flush(): void {
    if (this.#ended || !this.#pending) return;
    this.#send(this.#pending);
  }

  outage(problem: Problem): void {
    if (this.#ended || this.#inOutage) return;
    this.#inOutage = true;
    this.#subscriber.onOutage(problem, this);
  }

  recover(): void {
    if (this.#ended || !this.#inOutage) return;
    this.#inOutage = false;
    this.#subscriber.onRecovered(this);
  }

  /** Ends the subscription once; later calls do nothing. */
  end(reason: EndReason): void {
    if (this.#ended) return;
    // The last state comes before the end, also for a subscriber that is not ready.
    if (this.#pending) this.#send(this.#pending);
    if (this.#ended) return;
    this.#ended = true;
    this.#subscriber.onEnd(reason, this);
  }

  /** Stops the subscription from the subscriber's side; nothing more is sent. */
  cancel(): void {
    this.#ended = true;
    this.#pending = undefined;
  }

  #send(operation: Operation): void {
    const event = this.#sent
      ? updateOf(this.#sent, operation, this.#coalesced)
      : snapshotOf(operation);
    this.#pending = undefined;
    this.#coalesced = 0;
    this.#sent = operation;
    this.#position = operation.cursor;
    this.#settle("changed");
    this.#subscriber.onEvent(event, this);
    this.#observer.onSent(event);
    if (operation.terminal) this.end("terminal"); // C3
  }

  /** @returns whether this was the first time that the subscriber's state was settled */
  #settle(outcome: "unchanged" | "changed"): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    if (this.#resume) this.#observer.onResumed(outcome);
    return true;
  }

  #isKnown(operation: Operation): boolean {
    if (!this.#settled && this.#resume?.covers(operation)) return true;
    return this.#position !== undefined && isSameState(operation.cursor, this.#position);
  }
}
