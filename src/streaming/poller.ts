import type { Instance } from "../dts/instance.ts";
import type { InstancePage, InstanceQuery } from "../dts/instance-query.ts";
import { Horizon } from "./horizon.ts";
import type { Metrics } from "./metrics.ts";
import type { ReadBudget } from "./read-budget.ts";

/** What reading needs of the scheduler. Each call must have a deadline of its own. */
export interface InstanceReader {
  getInstance(id: string): Promise<Instance | undefined>;
  queryInstances(query: InstanceQuery, signal?: AbortSignal): Promise<InstancePage>;
}

/** What a read led to; a failure is a reason to try again later, never an exception. */
export type ReadOutcome =
  | {
      readonly kind: "found";
      readonly instance: Instance;
      /** Epoch milliseconds at which the read was sent. */
      readonly startedAtMs: number;
      /** What changed before it, by the scheduler's own clock, this read has seen. */
      readonly horizonMs: number;
    }
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
/** So many reads must wait before a page is tried in their place. */
const PAGE_WORTH_WAITING = 40;
/** So many waiting reads a page must answer to have been worth it. */
const PAGE_WORTH_ANSWERS = 10;
/** For how long no page is tried after one that was not worth it. */
const PAGE_PAUSE_MS = 30_000;
const PAGE_SIZE = 500;
/** Trouble that comes and goes is logged this seldom. */
const QUIET_MS = 10_000;
/** Other reads wait for a page, so it may not take long. */
const PAGE_WITHIN_MS = 3000;

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
 *   P3. Reads leave in the order they were asked for. Where 40 wait, one page of a query goes out in
 *       the place of the first; whatever it finds among those waiting is answered, and a page that
 *       answers fewer than ten is the last one for 30 s.
 */
export class Poller {
  readonly #scheduler: InstanceReader;
  readonly #budget: ReadBudget;
  readonly #metrics: Metrics;
  readonly #log: TroubleLog;
  #inTrouble = false;
  #quietUntilMs = 0;
  readonly #flights = new Map<string, Flight>();
  /** Flights that wait for their turn, oldest first. */
  readonly #queue = new Set<Flight>();
  #pumping = false;
  readonly #horizon = new Horizon();
  #noPagesUntilMs = 0;
  #pageIsOut = false;

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

  /**
   * Reads one operation. Never rejects.
   * @param createdAtMs when it was created, if that is known: it can then be found by a page too
   */
  read(id: string, createdAtMs?: number): Promise<ReadOutcome> {
    const flight = this.#flights.get(id);
    if (!flight) return this.#enqueue(id, createdAtMs);
    if (this.#queue.has(flight)) {
      // A page that is out already was sent before this question (P1).
      flight.askedAgain = this.#pageIsOut;
      return flight.outcome;
    }
    flight.next ??= flight.outcome.then(() => this.read(id, createdAtMs));
    return flight.next;
  }

  /** One page of a query, within the budget, for whoever follows more than single operations. */
  async query(query: InstanceQuery): Promise<InstancePage> {
    await this.#budget.turn();
    return this.#sendQuery(query);
  }

  #enqueue(id: string, createdAtMs: number | undefined): Promise<ReadOutcome> {
    if (this.#queue.size >= MAX_WAITING) {
      const error = new ReadBudgetError("Too many reads wait for the scheduler");
      return Promise.resolve({ kind: "failed", error });
    }
    const { promise, resolve } = Promise.withResolvers<ReadOutcome>();
    const flight: Flight = {
      id,
      createdAtMs,
      askedAtMs: Date.now(),
      askedAgain: false,
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
      else if (this.#isPageWorthIt(flight)) await this.#sendPage(flight.createdAtMs ?? 0);
      else void this.#send(flight);
    }
    this.#pumping = false;
  }

  async #send(flight: Flight): Promise<void> {
    this.#queue.delete(flight);
    const startedAtMs = Date.now();
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
    if (this.#inTrouble || Date.now() < this.#quietUntilMs) return;
    this.#inTrouble = true;
    this.#quietUntilMs = Date.now() + QUIET_MS;
    this.#log.warn({ err }, "the scheduler does not answer reads");
  }

  #answered(): void {
    if (!this.#inTrouble) return;
    this.#inTrouble = false;
    this.#log.info({}, "the scheduler answers reads again");
  }

  #isPageWorthIt(flight: Flight): boolean {
    return (
      this.#queue.size >= PAGE_WORTH_WAITING &&
      flight.createdAtMs !== undefined &&
      Date.now() >= this.#noPagesUntilMs
    );
  }

  /**
   * Answers waiting flights from one page of instances created at `fromMs` or later. Flights that it
   * does not find stay where they are: a query may lag behind, and says nothing of what it lacks.
   */
  async #sendPage(fromMs: number): Promise<void> {
    const asked = new Map([...this.#queue].map((flight) => [flight.id, flight]));
    const startedAtMs = Date.now();
    const { horizonMs } = this;
    let answers = 0;
    this.#pageIsOut = true;
    for (const flight of asked.values()) flight.askedAgain = false;
    try {
      const query = { createdFromMs: fromMs, pageSize: PAGE_SIZE };
      const { instances } = await this.#sendQuery(query, AbortSignal.timeout(PAGE_WITHIN_MS));
      for (const instance of instances) {
        const flight = asked.get(instance.id);
        if (!flight || flight.askedAgain || !this.#queue.delete(flight)) continue;
        answers += 1;
        flight.settle({ kind: "found", instance, startedAtMs, horizonMs });
      }
    } catch {
      // The single reads will find out, and report, what is the matter.
    }
    this.#pageIsOut = false;
    if (answers < PAGE_WORTH_ANSWERS) this.#noPagesUntilMs = Date.now() + PAGE_PAUSE_MS;
  }

  async #sendQuery(query: InstanceQuery, signal?: AbortSignal): Promise<InstancePage> {
    const stopTimer = this.#metrics.readDuration.startTimer();
    let result = "failed";
    try {
      const page = await this.#scheduler.queryInstances(query, signal);
      result = "found";
      this.#answered();
      for (const instance of page.instances) this.#advance(instance);
      return page;
    } catch (error) {
      this.#troubled(error);
      throw error;
    } finally {
      stopTimer();
      this.#metrics.reads.inc({ rpc: "QueryInstances", result });
      this.#budget.done();
    }
  }

  #advance({ lastUpdatedAtMs }: Instance): void {
    this.#horizon.advance(lastUpdatedAtMs);
  }

  #refuseOverdue(): void {
    const latestMs = Date.now() - MAX_WAIT_MS;
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
  readonly createdAtMs: number | undefined;
  readonly askedAtMs: number;
  readonly outcome: Promise<ReadOutcome>;
  readonly settle: (outcome: ReadOutcome) => void;
  /** Somebody has asked while a page was out. */
  askedAgain: boolean;
  /** The read after this one, once somebody asked for it. */
  next?: Promise<ReadOutcome>;
}
