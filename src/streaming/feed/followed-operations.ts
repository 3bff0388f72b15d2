import { unrestricted } from "../../access.ts";
import type { Problem } from "../../problems.ts";
import { cursorResume } from "../operation/cursor.ts";
import type { Operation } from "../operation/operation.ts";
import type { StateEvent } from "../operation/state-event.ts";
import type { Requester } from "../reading/fair-queue.ts";
import type { Found } from "../reading/reader.ts";
import { type EndReason, type Subscriber, Subscription } from "../watching/subscription.ts";
import type { Watcher } from "../watching/watcher.ts";

/** What following operations needs of those who watch. */
export interface FeedWatching {
  /** Adds a subscription; `found` is what is known of its operation. */
  watch(subscription: Subscription, found: Found | undefined): Watcher;
  unwatch(subscription: Subscription): void;
}

/** What is done with the operations that are followed. */
export interface FollowedEvents {
  onState(operation: Operation): void;
  /** There is no such operation any more. */
  onGone(id: string): void;
  /** Reading one of them fails; `undefined` when none fails any longer. */
  onProblem(problem: Problem | undefined): void;
}

interface Followed {
  readonly subscription: Subscription;
  readonly watcher: Watcher;
  /** Resolves when its state is known, or cannot be read at present. */
  readonly settled: PromiseWithResolvers<void>;
}

/** The operations that are read for feeds: those that are active, or were found to have changed. */
export class FollowedOperations implements Subscriber {
  readonly ready = true;
  readonly #watching: FeedWatching;
  readonly #events: FollowedEvents;
  readonly #followed = new Map<string, Followed>();
  readonly #failing = new Set<Subscription>();

  constructor(watching: FeedWatching, events: FollowedEvents) {
    this.#watching = watching;
    this.#events = events;
  }

  /** The watcher of an operation that is followed. */
  get(id: string): Watcher | undefined {
    return this.#followed.get(id)?.watcher;
  }

  *watchers(): Iterable<Watcher> {
    for (const { watcher } of this.#followed.values()) yield watcher;
  }

  /**
   * Follows an operation to its end.
   * @param known the state that feeds carry; no earlier one is reported
   * @param found what a query has listed of it, if that is its whole state
   * @returns when its state is known, or cannot be read at present
   */
  follow(id: string, known: Operation | undefined, found: Found | undefined): Promise<void> {
    const subscription = new Subscription(id, this, SILENT, {
      resume: known && cursorResume(known.cursor),
      requester: FEED,
      waitsForEnd: false,
    });
    const settled = Promise.withResolvers<void>();
    const watcher = this.#watching.watch(subscription, found);
    this.#followed.set(id, { subscription, watcher, settled });
    return settled.promise;
  }

  /** Reads an operation by itself, whether it is followed or not. */
  async readAlone(known: Operation): Promise<void> {
    const followed = this.#followed.get(known.id);
    if (followed) await followed.watcher.refresh();
    else await this.follow(known.id, known, undefined);
  }

  /** Stops following those that are not wanted. */
  retain(isWanted: (watcher: Watcher) => boolean): void {
    for (const [id, { watcher }] of this.#followed) if (!isWanted(watcher)) this.#unfollow(id);
  }

  onEvent({ operation }: StateEvent, { id }: Subscription): void {
    this.#events.onState(operation);
    this.#followed.get(id)?.settled.resolve();
  }

  onUnchanged({ id }: Subscription): void {
    this.#followed.get(id)?.settled.resolve();
  }

  onEnd(reason: EndReason, { id }: Subscription): void {
    if (reason !== "terminal") this.#events.onGone(id);
    this.#unfollow(id);
  }

  onOutage(problem: Problem, subscription: Subscription): void {
    this.#failing.add(subscription);
    this.#followed.get(subscription.id)?.settled.resolve();
    this.#events.onProblem(problem);
  }

  onRecovered(subscription: Subscription): void {
    this.#failing.delete(subscription);
    if (this.#failing.size === 0) this.#events.onProblem(undefined);
  }

  #unfollow(id: string): void {
    const followed = this.#followed.get(id);
    if (!followed) return;
    this.#followed.delete(id);
    this.#watching.unwatch(followed.subscription);
    followed.settled.resolve();
    if (this.#failing.delete(followed.subscription) && this.#failing.size === 0) {
      this.#events.onProblem(undefined);
    }
  }
}

/** Reads that feeds cause. */
const FEED: Requester = { access: unrestricted("the feeds") };

/** What feeds follow is counted where it is sent to clients. */
const SILENT = { onResumed: () => undefined, onSent: () => undefined };
