import { type Problem, SchedulerProblemError } from "../../problems.ts";
import type { Operation } from "../operation/operation.ts";
import type { ReadTime } from "../reading/reader.ts";
import type { Subscription } from "./subscription.ts";

/** A state, and the read that returned it. */
export interface ReadState {
  readonly operation: Operation;
  /** When that read was sent, by `performance.now()`. */
  readonly sentAtMs: number;
  /** When the last read before it was sent, in epoch milliseconds. */
  readonly since: number | undefined;
  /** Whether it counts although it is dated before what subscribers have. */
  readonly accepted?: boolean;
}

/** The subscriptions of one watcher, and which of them have no settled state yet. */
export class Subscribers {
  readonly #all = new Set<Subscription>();
  /** Those without a settled state, with the time at which they came; oldest first. */
  readonly #unsettled = new Map<Subscription, number>();
  #awaitingEnd = 0;
  #idleSinceMs: number | undefined;
  #problem: Problem | undefined;

  /** Since when there are none, by `performance.now()`; `undefined` before the first one, too. */
  get idleSinceMs(): number | undefined {
    return this.#idleSinceMs;
  }

  /** Whether a subscriber waits for the operation's end. */
  get awaitEnd(): boolean {
    return this.#awaitingEnd > 0;
  }

  /** Whether each has been sent the terminal state. */
  get allEnded(): boolean {
    return [...this.#all].every(({ ended }) => ended);
  }

  /** The one that has waited longest for a settled state, and since when. */
  get firstUnsettled():
    | { readonly subscription: Subscription; readonly cameAtMs: number }
    | undefined {
    const [first] = this.#unsettled;
    return first && { subscription: first[0], cameAtMs: first[1] };
  }

  /** Whether the last read has failed. */
  get inOutage(): boolean {
    return this.#problem !== undefined;
  }

  add(subscription: Subscription): void {
    this.#idleSinceMs = undefined;
    this.#all.add(subscription);
    this.#unsettled.set(subscription, performance.now());
    if (subscription.waitsForEnd) this.#awaitingEnd += 1;
  }

  remove(subscription: Subscription): void {
    if (!this.#all.delete(subscription)) return;
    this.#unsettled.delete(subscription);
    if (subscription.waitsForEnd) this.#awaitingEnd -= 1;
    if (this.#all.size === 0) this.#idleSinceMs = performance.now();
  }

  /** Notifies all of a state. */
  notify(state: ReadState): void {
    this.#notify(state, [...this.#all]);
  }

  /** Notifies those without a settled state, of one that is not new. */
  notifyUnsettled(state: ReadState): void {
    this.#notify(state, [...this.#unsettled.keys()]);
  }

  /**
   * Notifies one that has just come of the known state.
   * @returns whether its state is settled now
   */
  welcome(subscription: Subscription, operation: Operation, since: number | undefined): boolean {
    if (!this.#unsettled.has(subscription)) return true;
    const isSettled = subscription.notify(operation, since);
    if (isSettled) this.#unsettled.delete(subscription);
    return isSettled;
  }

  /** A read has not found the operation. */
  end({ sentAtMs }: ReadTime): void {
    for (const each of [...this.#all]) {
      const cameAtMs = this.#unsettled.get(each);
      if (cameAtMs !== undefined && cameAtMs > sentAtMs) continue;
      this.#unsettled.delete(each);
      each.end(cameAtMs === undefined ? "gone" : "not-found");
    }
  }

  /** A read has failed. Each is notified once in an outage. */
  outage(cause: unknown): void {
    this.#problem ??= new SchedulerProblemError(cause).toProblem();
    for (const each of [...this.#all]) each.outage(this.#problem);
  }

  /** A read has succeeded. */
  recover(): void {
    if (!this.#problem) return;
    this.#problem = undefined;
    for (const each of [...this.#all]) each.recover();
  }

  #notify({ operation, sentAtMs, since, accepted }: ReadState, to: readonly Subscription[]): void {
    const anyUnsettled = this.#unsettled.size > 0;
    for (const each of to) {
      const cameAtMs = anyUnsettled ? this.#unsettled.get(each) : undefined;
      // A read that was sent before it came may know less than the subscriber does.
      const isLate = cameAtMs !== undefined && cameAtMs > sentAtMs;
      if (isLate && (operation.terminal || each.needsNewRead)) continue;
      if (each.notify(operation, since, accepted) && anyUnsettled) this.#unsettled.delete(each);
    }
  }
}
