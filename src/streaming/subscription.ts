import type { Problem } from "../errors.ts";
import { type Cursor, cursorOf, isBefore, isSameState, type ResumePoint } from "./cursor.ts";
import { type Operation, toOperation } from "./operation.ts";
import { type StateEvent, snapshotOf, updateOf } from "./state-event.ts";

/** Why a subscription ended by itself. */
export type EndReason =
  /** The operation is over, and the subscriber was told. */
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
  /** The cursor it came with is still where the operation stands: there is nothing to send. */
  onUnchanged(subscription: Subscription): void;
  onEnd(reason: EndReason, subscription: Subscription): void;
  /** Reading fails, from now on until `onRecovered`. */
  onTrouble(problem: Problem, subscription: Subscription): void;
  onRecovered(subscription: Subscription): void;
}

/** Who counts what subscriptions do. */
export interface SubscriptionObserver {
  /** Whether a cursor that a subscriber came with was still where the operation stands. */
  onResumed(outcome: "unchanged" | "changed"): void;
  onSent(event: StateEvent): void;
}

/**
 * One subscriber's view of one operation.
 *   C2. Nothing from before what the subscriber has is sent, and no state twice in a row.
 *   C3. A terminal state is sent once, then the subscription ends.
 *   C4. With the cursor of a former connection, only what differs from it is sent.
 *   B1. A subscriber that is not ready holds at most the latest state, and a count of what it was
 *       spared; there is no queue.
 */
export class Subscription {
  readonly id: string;
  readonly #subscriber: Subscriber;
  readonly #observer: SubscriptionObserver;
  readonly #resume: ResumePoint | undefined;
  /** Where the subscriber stands: what it last received, here or on a former connection. */
  #position: Cursor | undefined;
  /** What was last sent on this connection. */
  #sent: Operation | undefined;
  /** What the subscriber sees: what was sent, or was found to be what it came with. */
  #known: Operation | undefined;
  #held: Operation | undefined;
  #spared = 0;
  /** Whether the subscriber was told, or is known to know, where the operation stands. */
  #placed = false;
  #troubled = false;
  #ended = false;

  /** @param resume what the subscriber has already, from a former connection */
  constructor(
    id: string,
    subscriber: Subscriber,
    observer: SubscriptionObserver,
    resume: ResumePoint | undefined,
  ) {
    this.id = id;
    this.#subscriber = subscriber;
    this.#observer = observer;
    this.#resume = resume;
    this.#position = resume?.position;
  }

  /**
   * Whether the subscriber may have seen, at another replica, more than is known here, and cannot say
   * so: then only a read that is sent from now on is no step back for it (C2).
   */
  get needsNewRead(): boolean {
    return this.#resume !== undefined && this.#position === undefined;
  }

  /** The cursor of what the subscriber has, to repeat in heartbeats. */
  get position(): Cursor | undefined {
    return this.#position;
  }

  /** The state that waits for the subscriber to be ready. */
  get pending(): Operation | undefined {
    return this.#held;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Takes what a read has found. */
  offer(found: Operation): void {
    if (this.#ended) return;
    this.recover();
    const operation = this.#asSeen(found);
    if (this.#position && isBefore(operation.cursor, this.#position)) return; // C2
    if (this.#isKnown(operation)) {
      this.#held = undefined;
      this.#spared = 0;
      if (this.#mayHaveSeenPending(operation)) {
        this.#position = { ...operation.cursor, status: "PENDING" };
      } else {
        this.#position = operation.cursor;
        this.#known = operation;
      }
      if (this.#place("unchanged")) this.#subscriber.onUnchanged(this);
      if (operation.terminal) this.end("terminal");
      return;
    }
    if (this.#subscriber.ready) {
      this.#send(operation);
      return;
    }
    if (this.#held && isSameState(this.#held.cursor, operation.cursor)) return;
    if (this.#held) this.#spared += 1;
    this.#held = operation; // B1
  }

  /** Sends what was held back. To be called when the subscriber is ready again. */
  flush(): void {
    if (this.#ended || !this.#held) return;
    this.#send(this.#held);
  }

  trouble(problem: Problem): void {
    if (this.#ended || this.#troubled) return;
    this.#troubled = true;
    this.#subscriber.onTrouble(problem, this);
  }

  recover(): void {
    if (this.#ended || !this.#troubled) return;
    this.#troubled = false;
    this.#subscriber.onRecovered(this);
  }

  /** Ends the subscription once; later calls do nothing. */
  end(reason: EndReason): void {
    if (this.#ended) return;
    // Whatever it was held back for, the last state comes before the end.
    if (this.#held) this.#send(this.#held);
    if (this.#ended) return;
    this.#ended = true;
    this.#subscriber.onEnd(reason, this);
  }

  /** Stops the subscription from the subscriber's side, without a word. */
  cancel(): void {
    this.#ended = true;
    this.#held = undefined;
  }

  #send(operation: Operation): void {
    const event = this.#sent
      ? updateOf(this.#sent, operation, this.#spared)
      : snapshotOf(operation);
    this.#held = undefined;
    this.#spared = 0;
    this.#sent = operation;
    this.#known = operation;
    this.#position = operation.cursor;
    this.#place("changed");
    this.#subscriber.onEvent(event, this);
    this.#observer.onSent(event);
    if (operation.terminal) this.end("terminal"); // C3
  }

  /** @returns whether this was the first word of where the operation stands */
  #place(outcome: "unchanged" | "changed"): boolean {
    if (this.#placed) return false;
    this.#placed = true;
    if (this.#resume) this.#observer.onResumed(outcome);
    return true;
  }

  /** A PENDING after what this subscriber saw is a continue-as-new under way: shown as RUNNING. */
  #asSeen(found: Operation): Operation {
    const seen = this.#position;
    return found.status === "PENDING" && seen && seen.status !== "PENDING"
      ? toOperation(found.instance, seen)
      : found;
  }

  /**
   * Who came with the cursor of a PENDING that is shown as RUNNING here was perhaps shown PENDING, by a
   * replica that had not seen what was before; the RUNNING that is stored next is then news.
   */
  #mayHaveSeenPending({ cursor, instance }: Operation): boolean {
    if (this.#known || cursor.status !== "RUNNING") return false;
    return (this.#position?.status ?? instance.status) === "PENDING";
  }

  #isKnown(operation: Operation): boolean {
    if (!this.#placed && this.#resume?.covers(operation)) return true;
    if (!this.#position) return false;
    if (isSameState(operation.cursor, this.#position)) return true;
    if (this.#known) return updateOf(this.#known, operation, 0).changed.length === 0;
    if (operation.instance.status !== "PENDING" || operation.status !== "RUNNING") return false;
    // A continue-as-new under way: what is seen is what would be stored as RUNNING.
    const shown = { ...operation.instance, status: "RUNNING" as const };
    return isSameState(cursorOf(shown), this.#position);
  }
}
