import type { Instance } from "../dts/instance.ts";
import type { Metrics } from "./metrics.ts";
import type { ReadBudget } from "./read-budget.ts";

/** What the poller needs of the scheduler. The call must have a deadline of its own. */
export interface InstanceReader {
  getInstance(id: string): Promise<Instance | undefined>;
}

/** What a read led to; a failure is a reason to try again later, never an exception. */
export type ReadOutcome =
  | { readonly kind: "found"; readonly instance: Instance; readonly startedAtMs: number }
  | { readonly kind: "missing"; readonly startedAtMs: number }
  | { readonly kind: "failed"; readonly error: unknown };

/**
 * Reads operations, each at most once at a time.
 *   P1. Whoever asks gets the outcome of a read that was sent after the question: a read already on
 *       its way may miss what the asker knows to have happened, so it waits for the next one.
 *   P2. All who ask while one read is on its way share that next one, so that reads of one operation
 *       do not grow with those who ask.
 */
export class Poller {
  readonly #scheduler: InstanceReader;
  readonly #budget: ReadBudget;
  readonly #metrics: Metrics;
  readonly #flights = new Map<string, Flight>();

  constructor(scheduler: InstanceReader, budget: ReadBudget, metrics: Metrics) {
    this.#scheduler = scheduler;
    this.#budget = budget;
    this.#metrics = metrics;
  }

  /** Reads one operation within the budget. Never rejects. */
  read(id: string): Promise<ReadOutcome> {
    const flight = this.#flights.get(id);
    if (!flight) return this.#depart(id);
    if (!flight.sent) return flight.outcome;
    flight.next ??= flight.outcome.then(() => this.read(id));
    return flight.next;
  }

  #depart(id: string): Promise<ReadOutcome> {
    const flight: Flight = { sent: false, outcome: this.#fly(id, () => (flight.sent = true)) };
    this.#flights.set(id, flight);
    return flight.outcome;
  }

  async #fly(id: string, onSent: () => void): Promise<ReadOutcome> {
    try {
      return await this.#budget.run(() => {
        onSent();
        return this.#send(id);
      });
    } catch (error) {
      return { kind: "failed", error };
    } finally {
      this.#flights.delete(id);
    }
  }

  async #send(id: string): Promise<ReadOutcome> {
    const startedAtMs = Date.now();
    const stopTimer = this.#metrics.readDuration.startTimer();
    const outcome = await this.#scheduler.getInstance(id).then(
      (instance): ReadOutcome =>
        instance ? { kind: "found", instance, startedAtMs } : { kind: "missing", startedAtMs },
      (error): ReadOutcome => ({ kind: "failed", error }),
    );
    stopTimer();
    this.#metrics.reads.inc({ rpc: "GetInstance", result: outcome.kind });
    return outcome;
  }
}

interface Flight {
  /** False while it waits for its turn, when those who ask can still join. */
  sent: boolean;
  readonly outcome: Promise<ReadOutcome>;
  /** The read after this one, once somebody asked for it. */
  next?: Promise<ReadOutcome>;
}
