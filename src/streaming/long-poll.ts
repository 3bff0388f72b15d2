import { OperationNotFoundError, type Problem, ProblemError } from "../errors.ts";
import type { Connection } from "./connections.ts";
import { type Cursor, cursorResume } from "./cursor.ts";
import type { Requester } from "./fair-queue.ts";
import type { Operation } from "./operation.ts";
import type { StateEvent } from "./state-event.ts";
import type { StreamContext } from "./stream-context.ts";
import type { EndReason, Subscriber, Subscription } from "./subscription.ts";

/**
 * Waits for the first state of operation `id` other than `after`.
 * @param signal ends the wait, because the client has left
 * @returns that state; `undefined` when `waitMs` are over, when the operation has ended in the state
 *   of `after`, or when this process is about to end
 * @throws OperationNotFoundError, SchedulerUnavailableError where not even its present state is known
 */
export function waitForChange(
  context: StreamContext,
  id: string,
  after: Cursor | undefined,
  waitMs: number,
  signal: AbortSignal,
  requester: Requester,
): Promise<Operation | undefined> {
  return new LongPoll(context, id, after, waitMs, signal, requester).result;
}

/** One waiting request: a subscriber that leaves with the first event. */
class LongPoll implements Subscriber, Connection {
  readonly ready = true;
  /** The end of the wait. */
  readonly dueAtMs: number;
  readonly #context: StreamContext;
  readonly #subscription: Subscription;
  readonly #result = Promise.withResolvers<Operation | undefined>();
  readonly #signal: AbortSignal;
  readonly #onAbort = (): void => this.#leave();
  #placed = false;
  #left = false;

  constructor(
    context: StreamContext,
    id: string,
    after: Cursor | undefined,
    waitMs: number,
    signal: AbortSignal,
    requester: Requester,
  ) {
    this.#context = context;
    this.dueAtMs = performance.now() + waitMs;
    this.#signal = signal;
    signal.addEventListener("abort", this.#onAbort, { once: true });
    context.connections.add(this);
    context.metrics.connections.inc({ transport: "poll" });
    this.#subscription = context.hub.subscribe(id, this, after && cursorResume(after), requester);
  }

  get result(): Promise<Operation | undefined> {
    return this.#result.promise;
  }

  onEvent({ type, operation }: StateEvent): void {
    this.#context.metrics.events.inc({ type, transport: "poll" });
    this.#result.resolve(operation);
    this.#leave();
  }

  onUnchanged(): void {
    this.#placed = true;
  }

  onEnd(reason: EndReason, { id }: Subscription): void {
    if (reason !== "terminal") this.#result.reject(new OperationNotFoundError(id));
    this.#leave();
  }

  onTrouble({ status, detail }: Problem): void {
    // Once it is known where the operation stands, trouble is waited through.
    if (this.#placed) return;
    const error = new ProblemError("scheduler-unavailable", status, detail, { retryAfterS: 5 });
    this.#result.reject(error);
    this.#leave();
  }

  onRecovered(): void {
    // The state that follows is what is waited for.
  }

  tick(): void {
    this.#leave();
  }

  bye(): void {
    this.#leave();
  }

  #leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#context.connections.remove(this);
    this.#context.metrics.connections.dec({ transport: "poll" });
    this.#context.hub.unsubscribe(this.#subscription);
    this.#result.resolve(undefined);
  }
}
