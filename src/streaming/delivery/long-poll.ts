import { OperationNotFoundError, type Problem, ProblemError } from "../../problems.ts";
import { type Cursor, cursorResume } from "../operation/cursor.ts";
import type { Operation } from "../operation/operation.ts";
import type { StateEvent } from "../operation/state-event.ts";
import type { Requester } from "../reading/fair-queue.ts";
import type { EndReason, Subscriber, Subscription } from "../watching/subscription.ts";
import type { Connection } from "./connections.ts";
import type { StreamContext } from "./stream-context.ts";

/** What a request waits for. */
interface Awaited {
  /** The state that the client has. */
  readonly after?: Cursor | undefined;
  /** Whether a state ends the wait. */
  isAwaited(operation: Operation): boolean;
  /** Whether the wait ends where the present state cannot be read. */
  readonly needsState: boolean;
}

/**
 * Waits for the first state of operation `id` other than `after`.
 * @param signal ends the wait: the client has disconnected
 * @returns that state; `undefined` after `waitMs`, when `after` is the operation's terminal state,
 *   when the requester's credential ends, or when this process shuts down
 * @throws OperationNotFoundError, SchedulerProblemError where its present state cannot be read
 */
export function waitForChange(
  context: StreamContext,
  id: string,
  after: Cursor | undefined,
  waitMs: number,
  signal: AbortSignal,
  requester: Requester,
): Promise<Operation | undefined> {
  const wanted: Awaited = { after, isAwaited: () => true, needsState: true };
  return new LongPoll(context, id, wanted, waitMs, signal, requester).result;
}

/**
 * Waits for the end of operation `id`, which has just been started.
 * @param signal ends the wait: the client has disconnected
 * @returns its terminal state; `undefined` after `waitMs`, when the requester's credential ends, or when
 *   this process shuts down
 */
export function waitForEnd(
  context: StreamContext,
  id: string,
  waitMs: number,
  signal: AbortSignal,
  requester: Requester,
): Promise<Operation | undefined> {
  const wanted: Awaited = { isAwaited: ({ terminal }) => terminal, needsState: false };
  return new LongPoll(context, id, wanted, waitMs, signal, requester).result;
}

/** One waiting request: a subscriber until the awaited event. */
class LongPoll implements Subscriber, Connection {
  readonly ready = true;
  /** The end of the wait. */
  readonly dueAtMs: number;
  readonly #context: StreamContext;
  readonly #wanted: Awaited;
  readonly #subscription: Subscription;
  readonly #result = Promise.withResolvers<Operation | undefined>();
  readonly #signal: AbortSignal;
  readonly #onAbort = (): void => this.#end();
  #hasRead = false;
  #ended = false;

  constructor(
    context: StreamContext,
    id: string,
    wanted: Awaited,
    waitMs: number,
    signal: AbortSignal,
    requester: Requester,
  ) {
    this.#context = context;
    this.#wanted = wanted;
    this.dueAtMs = performance.now() + waitMs;
    this.#signal = signal;
    signal.addEventListener("abort", this.#onAbort, { once: true });
    context.connections.add(this, requester);
    context.metrics.connections.inc({ transport: "poll" });
    const resume = wanted.after && cursorResume(wanted.after);
    this.#subscription = context.watches.subscribe(id, this, resume, requester);
  }

  get result(): Promise<Operation | undefined> {
    return this.#result.promise;
  }

  onEvent({ type, operation }: StateEvent): void {
    if (!this.#wanted.isAwaited(operation)) return;
    this.#context.metrics.events.count(type, "poll");
    this.#result.resolve(operation);
    this.#end();
  }

  onUnchanged(): void {
    this.#hasRead = true;
  }

  onEnd(reason: EndReason, { id }: Subscription): void {
    if (reason !== "terminal" && this.#wanted.needsState) {
      this.#result.reject(new OperationNotFoundError(id));
    }
    this.#end();
  }

  onOutage({ status, detail }: Problem): void {
    // Once the present state is known, the wait continues through an outage.
    if (this.#hasRead || !this.#wanted.needsState) return;
    const error = new ProblemError("scheduler-unavailable", status, detail, { retryAfterS: 5 });
    this.#result.reject(error);
    this.#end();
  }

  onRecovered(): void {
    // The next state ends the wait.
  }

  tick(): void {
    this.#end();
  }

  bye(): void {
    this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#context.connections.remove(this);
    this.#context.metrics.connections.dec({ transport: "poll" });
    this.#context.watches.unsubscribe(this.#subscription);
    this.#result.resolve(undefined);
  }
}
