import type { Instance } from "../dts/instance.ts";
import type { InstancePage, InstanceQuery } from "../dts/instance-query.ts";
import { SchedulerError } from "../dts/scheduler-error.ts";
import { Horizon } from "./horizon.ts";
import type { Metrics } from "./metrics.ts";
import type { ReadBudget } from "./read-budget.ts";

/** What reading needs of the scheduler. Each call must have a deadline of its own. */
export interface InstanceReader {
  getInstance(id: string): Promise<Instance | undefined>;
  queryInstances(query: InstanceQuery, signal?: AbortSignal): Promise<InstancePage>;
}

/** When a read was sent, and what it has seen for certain. */
export interface ReadTime {
  /** When it was sent, by `performance.now()`: our wall clock may be set. */
  readonly startedAtMs: number;
  /** What changed before it, by the scheduler's own clock, this read has seen. */
  readonly horizonMs: number;
}

/** What a read has found. */
export interface Found extends ReadTime {
  readonly kind: "found";
  readonly instance: Instance;
}

/** What a read led to; a failure is a reason to try again later, never an exception. */
export type ReadOutcome =
  | Found
  | { readonly kind: "missing"; readonly startedAtMs: number }
  | { readonly kind: "failed"; readonly error: unknown };

/** Where it is told when the scheduler stops answering reads, and when it answers again. */
export interface TroubleLog {
  warn(line: object, message: string): void;
  info(line: object, message: string): void;
}

/** Reads that may wait for their turn; beyond that a read fails at once. */
const MAX_WAITING = 20_000;
/** How long a read may wait for its turn. */
const MAX_WAIT_MS = 30_000;
/** Trouble that comes and goes is logged this seldom. */
const QUIET_MS = 10_000;

/** There are more reads than the budget allows for. */
export class ReadBudgetError extends Error {
  override readonly name = "ReadBudgetError";
}

/**
 * Reads operations within the budget, each at most once at a time.
 *   P1. Whoever asks gets the outcome of a read that was sent after the question: a read already on
 *       its way may miss what the asker knows to have happened, so it waits for the next one.
 *   P2. All who ask while one read is on its way share that next one, so that reads of one operation
 *       do not grow with those who ask.
 *   P3. Reads leave in the order they were asked for.
 */
export class Poller {
  readonly #scheduler: InstanceReader;
  readonly #budget: ReadBudget;
  readonly #metrics: Metrics;
  readonly #log: TroubleLog;
  #inTrouble = false;
  #quietUntilMs = Number.NEGATIVE_INFINITY;
  readonly #flights = new Map<string, Flight>();
  /** Flights that wait for their turn, oldest first. */
  readonly #queue = new Set<Flight>();
  #pumping = false;
  readonly #horizon = new Horizon();

  constructor(scheduler: InstanceReader, budget: ReadBudget, metrics: Metrics, log: TroubleLog) {
    this.#scheduler = scheduler;
    this.#budget = budget;
    this.#metrics = metrics;
    this.#log = log;
  }

  /** Up to when a read that is sent now sees all changes, by the scheduler's clock. */
  get horizonMs(): number {
    return this.#horizon.settledMs();
  }

  /** Reads one operation. Never rejects. */
  read(id: string): Promise<ReadOutcome> {
    const flight = this.#flights.get(id);
    if (!flight) return this.#enqueue(id);
    if (this.#queue.has(flight)) return flight.outcome;
    flight.next ??= flight.outcome.then(() => this.read(id));
    return flight.next;
  }

  /**
   * One page of a query, within the budget.
   * @param withinMs gives it up after so long, for one who can do without; else it has its deadline
   * @throws SchedulerError
   */
  async query(query: InstanceQuery, withinMs?: number): Promise<InstancePage & ReadTime> {
    await this.#budget.turn();
    const signal = withinMs === undefined ? undefined : AbortSignal.timeout(withinMs);
    const startedAtMs = performance.now();
    const { horizonMs } = this;
    const stopTimer = this.#metrics.readDuration.startTimer();
    let result = "failed";
    try {
      const page = await this.#scheduler.queryInstances(query, signal);
      result = "found";
      this.#answered();
      for (const instance of page.instances) this.#advance(instance);
      return { ...page, startedAtMs, horizonMs };
    } catch (error) {
      const isUnsupported = error instanceof SchedulerError && error.kind === "unsupported";
      if (!isUnsupported && !signal?.aborted) this.#troubled(error);
      throw error;
    } finally {
      stopTimer();
      this.#metrics.reads.inc({ rpc: "QueryInstances", result });
      this.#budget.done();
    }
  }

  #enqueue(id: string): Promise<ReadOutcome> {
    if (this.#queue.size >= MAX_WAITING) {
      const error = new ReadBudgetError("Too many reads wait for the scheduler");
      return Promise.resolve({ kind: "failed", error });
    }
    const { promise, resolve } = Promise.withResolvers<ReadOutcome>();
    const flight: Flight = {
      id,
      askedAtMs: performance.now(),
      outcome: promise,
      settle: (outcome) => {
        this.#flights.delete(id);
        resolve(outcome);
      },
    };
    this.#flights.set(id, flight);
    this.#queue.add(flight);
    void this.#pump();
    return promise;
  }

  /** Gives each flight its turn, one after the other, until none waits. */
  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#queue.size > 0) {
      await this.#budget.turn();
      this.#refuseOverdue();
      const [flight] = this.#queue;
      if (!flight) this.#budget.done();
      else void this.#send(flight);
    }
    this.#pumping = false;
  }

  async #send(flight: Flight): Promise<void> {
    this.#queue.delete(flight);
    const startedAtMs = performance.now();
    const { horizonMs } = this;
    const stopTimer = this.#metrics.readDuration.startTimer();
    let outcome: ReadOutcome;
    try {
      const instance = await this.#scheduler.getInstance(flight.id);
      outcome = instance
        ? { kind: "found", instance, startedAtMs, horizonMs }
        : { kind: "missing", startedAtMs };
      if (instance) this.#advance(instance);
      this.#answered();
    } catch (error) {
      outcome = { kind: "failed", error };
      this.#troubled(error);
    }
    stopTimer();
    this.#metrics.reads.inc({ rpc: "GetInstance", result: outcome.kind });
    this.#budget.done();
    flight.settle(outcome);
  }

  /** One line for a time of trouble, and not more than one in ten seconds. */
  #troubled(err: unknown): void {
    if (this.#inTrouble || performance.now() < this.#quietUntilMs) return;
    this.#inTrouble = true;
    this.#quietUntilMs = performance.now() + QUIET_MS;
    this.#log.warn({ err }, "the scheduler does not answer reads");
  }

  #answered(): void {
    if (!this.#inTrouble) return;
    this.#inTrouble = false;
    this.#log.info({}, "the scheduler answers reads again");
  }

  #advance({ lastUpdatedAtMs }: Instance): void {
    this.#horizon.advance(lastUpdatedAtMs);
  }

  #refuseOverdue(): void {
    const latestMs = performance.now() - MAX_WAIT_MS;
    for (const flight of this.#queue) {
      if (flight.askedAtMs >= latestMs) return;
      this.#queue.delete(flight);
      const error = new ReadBudgetError("A read's turn did not come in 30 s");
      flight.settle({ kind: "failed", error });
    }
  }
}

interface Flight {
  readonly id: string;
  readonly askedAtMs: number;
  readonly outcome: Promise<ReadOutcome>;
  readonly settle: (outcome: ReadOutcome) => void;
  /** The read after this one, once somebody asked for it. */
  next?: Promise<ReadOutcome>;
}
