import type { InstanceRead } from "../../dts/instance.ts";
import type { InstancePage, InstanceQuery } from "../../dts/instance-query.ts";
import { describeFailure, SchedulerError } from "../../dts/scheduler-error.ts";
import type { Metrics } from "../metrics.ts";
import { FairQueue, type Requester } from "./fair-queue.ts";
import { Horizon } from "./horizon.ts";
import type { ReadBudget } from "./read-budget.ts";
import { UnknownIds } from "./unknown-ids.ts";

/** What reading needs of the scheduler. Each call must have a deadline of its own. */
export interface InstanceReader {
  getInstance(id: string): Promise<InstanceRead | undefined>;
  queryInstances(query: InstanceQuery, signal?: AbortSignal): Promise<InstancePage>;
}

/** When a read was sent, and what it is certain to have seen. */
export interface ReadTime {
  /** When it was sent, by `performance.now()`. */
  readonly sentAtMs: number;
  /** The same in epoch milliseconds by this machine's clock, to be shown. */
  readonly asOfMs: number;
  /** The read has seen every change dated before this, in epoch milliseconds of the scheduler's clock. */
  readonly horizonMs: number;
}

/** What a read has found. */
export interface Found extends ReadTime {
  readonly kind: "found";
  readonly instance: InstanceRead;
}

/** The result of a read; a failure is a reason to try again later, never an exception. */
export type ReadOutcome =
  | Found
  | ({ readonly kind: "missing" } & ReadTime)
  | { readonly kind: "failed"; readonly error: unknown };

/** Receives a line for each read and subscription, which helps to see why a stream behaves as it does. */
export interface DebugLog {
  debug(line: object, message: string): void;
}

/** Receives a line when the scheduler stops answering reads, and when it answers again, too. */
export interface OutageLog extends DebugLog {
  warn(line: object, message: string): void;
  info(line: object, message: string): void;
}

/** First reads that may wait for a permit; beyond that a read fails at once. */
const MAX_WAITING = 20_000;
/** How long a first read may wait for a permit. */
const MAX_WAIT_MS = 30_000;
/** Outages that come and go are logged this seldom. */
const LOG_INTERVAL_MS = 10_000;

/** More reads are waiting than the budget allows for. */
export class ReadBudgetError extends Error {
  override readonly name = "ReadBudgetError";
}

/**
 * Reads operations within the budget, each at most once at a time.
 *   READ-1. A caller gets the outcome of a read that was sent after its request: a read already in
 *       flight may miss what the caller knows to have happened, so the caller waits for the next one.
 *   READ-2. All callers that ask while one read is in flight share that next one, so that reads of
 *       one operation do not grow with the callers.
 *   READ-3. First reads, for which a caller waits, are sent before refreshes, and callers share them
 *       fairly (FAIR-1). Refreshes get at least every fourth permit, in the order in which they were due.
 *   READ-4. Ids that a read has not found lately are read last, with at least every eighth permit.
 */
export class Reader {
  readonly #scheduler: InstanceReader;
  readonly #budget: ReadBudget;
  readonly #metrics: Metrics;
  readonly #log: OutageLog;
  readonly #horizon = new Horizon();
  readonly #flights = new Map<string, Flight>();
  readonly #first = new FairQueue<Flight>();
  readonly #unknown = new FairQueue<Flight>();
  readonly #refreshes = new Set<Flight>();
  /** Flights that a caller waits for and that have not been sent, oldest first. */
  readonly #awaited = new Set<Flight>();
  readonly #unknownIds = new UnknownIds();
  #permits = 0;
  #pumping = false;
  #outage = false;
  #nextLogAtMs = Number.NEGATIVE_INFINITY;

  constructor(scheduler: InstanceReader, budget: ReadBudget, metrics: Metrics, log: OutageLog) {
    this.#scheduler = scheduler;
    this.#budget = budget;
    this.#metrics = metrics;
    this.#log = log;
  }

  get horizon(): Horizon {
    return this.#horizon;
  }

  /** Reads of single operations that wait for a permit. */
  get waiting(): number {
    let count = 0;
    for (const { sent } of this.#flights.values()) if (!sent) count += 1;
    return count;
  }

  /** Reads one operation for a caller that waits for its state. Never rejects. */
  read(id: string, requester: Requester): Promise<ReadOutcome> {
    const flight = this.#flights.get(id);
    if (flight?.sent) {
      flight.next ??= flight.outcome.then(() => this.read(id, requester));
      return flight.next;
    }
    if (!flight && this.#awaited.size >= MAX_WAITING) {
      const error = new ReadBudgetError("Too many reads are waiting for the scheduler");
      return Promise.resolve({ kind: "failed", error });
    }
    const waiting = flight ?? this.#create(id);
    this.#await(waiting, requester);
    return waiting.outcome;
  }

  /** A caller waits for a read that may have been a refresh so far; one in flight is not repeated. */
  hurry(id: string, requester: Requester): void {
    const flight = this.#flights.get(id);
    if (flight && !flight.sent) this.#await(flight, requester);
  }

  /** Reads one operation again, for subscribers that have its state. Never rejects. */
  refresh(id: string): Promise<ReadOutcome> {
    const flight = this.#flights.get(id);
    if (flight) return flight.outcome;
    const waiting = this.#create(id);
    this.#refreshes.add(waiting);
    void this.#pump();
    return waiting.outcome;
  }

  /**
   * One page of a query, within the budget.
   * @param withinMs abandons it after this time; by default it has the client's deadline
   * @throws SchedulerError
   */
  async query(query: InstanceQuery, withinMs?: number): Promise<InstancePage & ReadTime> {
    await this.#budget.permit();
    this.#log.debug({ query }, "query");
    const signal = withinMs === undefined ? undefined : AbortSignal.timeout(withinMs);
    const time = this.#now();
    const stopTimer = this.#metrics.readDuration.startTimer();
    let result = "failed";
    try {
      const page = await this.#scheduler.queryInstances(query, signal);
      result = "found";
      this.#answered();
      for (const instance of page.instances) this.#horizon.observe(instance.lastUpdatedAtMs);
      return { ...page, ...time };
    } catch (error) {
      const isUnsupported = error instanceof SchedulerError && error.kind === "unsupported";
      if (!isUnsupported && !signal?.aborted) this.#failed(error);
      throw error;
    } finally {
      stopTimer();
      this.#metrics.reads.inc({ rpc: "QueryInstances", result });
      this.#budget.done();
    }
  }

  #create(id: string): Flight {
    const { promise, resolve } = Promise.withResolvers<ReadOutcome>();
    const flight: Flight = {
      id,
      awaitedSinceMs: undefined,
      sent: false,
      outcome: promise,
      settle: (outcome) => {
        this.#flights.delete(id);
        resolve(outcome);
      },
    };
    this.#flights.set(id, flight);
    return flight;
  }

  #await(flight: Flight, requester: Requester): void {
    const queue = this.#unknownIds.has(flight.id) ? this.#unknown : this.#first;
    queue.add(flight, requester);
    flight.awaitedSinceMs ??= performance.now();
    this.#awaited.add(flight);
    void this.#pump();
  }

  /** Sends the flights one after the other, as the budget permits, until none is waiting. */
  async #pump(): Promise<void> {
    if (this.#pumping) return;
    this.#pumping = true;
    while (this.#awaited.size + this.#refreshes.size > 0) {
      await this.#budget.permit();
      this.#failOverdue();
      const flight = this.#next();
      if (flight) void this.#send(flight);
      else this.#budget.done();
    }
    this.#pumping = false;
  }

  /** The flight that gets the next permit (READ-3, READ-4). */
  #next(): Flight | undefined {
    this.#permits += 1;
    const first = () => nextWaiting(this.#first);
    const unknown = () => nextWaiting(this.#unknown);
    const refresh = () => this.#refreshes.values().next().value;
    if (this.#permits % 4 === 0) return refresh() ?? first() ?? unknown();
    if (this.#permits % 8 === 1) return unknown() ?? first() ?? refresh();
    return first() ?? refresh() ?? unknown();
  }

  async #send(flight: Flight): Promise<void> {
    this.#awaited.delete(flight);
    this.#refreshes.delete(flight);
    flight.sent = true;
    const why = flight.awaitedSinceMs === undefined ? "refresh" : "first";
    this.#log.debug({ operation: flight.id, why }, "read");
    const time = this.#now();
    const stopTimer = this.#metrics.readDuration.startTimer();
    let outcome: ReadOutcome;
    try {
      const instance = await this.#scheduler.getInstance(flight.id);
      outcome = instance ? { kind: "found", instance, ...time } : { kind: "missing", ...time };
      if (instance) this.#horizon.observe(instance.lastUpdatedAtMs);
      if (instance) this.#unknownIds.delete(flight.id);
      else this.#unknownIds.add(flight.id);
      this.#answered();
    } catch (error) {
      outcome = { kind: "failed", error };
      this.#failed(error);
    }
    stopTimer();
    this.#metrics.reads.inc({ rpc: "GetInstance", result: outcome.kind });
    this.#budget.done();
    flight.settle(outcome);
  }

  #now(): ReadTime {
    return {
      sentAtMs: performance.now(),
      asOfMs: Date.now(),
      horizonMs: this.#horizon.settledMs(),
    };
  }

  /** One line per outage, and not more than one in ten seconds. */
  #failed(err: unknown): void {
    if (this.#outage || performance.now() < this.#nextLogAtMs) return;
    this.#outage = true;
    this.#nextLogAtMs = performance.now() + LOG_INTERVAL_MS;
    this.#log.warn({ err }, `reads: the scheduler ${describeFailure(err)}`);
  }

  #answered(): void {
    if (!this.#outage) return;
    this.#outage = false;
    this.#log.info({}, "the scheduler answers reads again");
  }

  #failOverdue(): void {
    const latestMs = performance.now() - MAX_WAIT_MS;
    for (const flight of this.#awaited) {
      if ((flight.awaitedSinceMs ?? latestMs) >= latestMs) return;
      this.#awaited.delete(flight);
      this.#refreshes.delete(flight);
      flight.sent = true; // Queues skip it.
      const error = new ReadBudgetError("A read got no permit within 30 s");
      flight.settle({ kind: "failed", error });
    }
  }
}

/** One read, from its request to its outcome. */
interface Flight {
  readonly id: string;
  /** Since when a caller waits for it, if one does. */
  awaitedSinceMs: number | undefined;
  sent: boolean;
  readonly outcome: Promise<ReadOutcome>;
  readonly settle: (outcome: ReadOutcome) => void;
  /** The read after this one, once a caller has asked for it. */
  next?: Promise<ReadOutcome>;
}

/** A flight can be in several queues; one that was sent is skipped. */
function nextWaiting(queue: FairQueue<Flight>): Flight | undefined {
  for (;;) {
    const flight = queue.shift();
    if (!flight?.sent) return flight;
  }
}
