import type { ServerUnaryCall, sendUnaryData, status } from "@grpc/grpc-js";
import type * as Proto from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import type { Instance } from "../../../src/dts/instance.ts";
import { isTerminal } from "../../../src/streaming/operation/operation-status.ts";
import { Mailbox } from "../mailbox.ts";
import { FakeScheduler, type Handlers, type SeenCall } from "./fake-scheduler.ts";
import { filtersOf, instance, pageOf, text, toState } from "./instance.ts";

type Done = sendUnaryData<unknown>;
type GetCall = ServerUnaryCall<Proto.GetInstanceRequest, unknown>;
type QueryCall = ServerUnaryCall<Proto.QueryInstancesRequest, unknown>;

/** What goes wrong with reads, queries and waits. */
export type Fault =
  | { readonly kind: "none" }
  | { readonly kind: "error"; readonly code: status }
  /** A call is answered after this many milliseconds, with what was stored when it arrived. */
  | { readonly kind: "slow"; readonly ms: number }
  /**
   * Nothing is answered until there is another fault or none. Then the answers are what was stored
   * when the calls arrived. Before that a test can answer reads itself: `heldReads`.
   */
  | { readonly kind: "held" };

/** A read that has arrived and waits for the test to answer it. */
export interface HeldRead {
  readonly id: string;
  /** @param found what the read finds, filled up by `instance()` */
  answer(found: Partial<Instance> | undefined): void;
  fail(code: status): void;
}

/** States kept for each instance, the present one included. */
const VERSIONS_KEPT = 16;

const DETAILS = "as the test wants it";

/**
 * A scheduler over real gRPC that stores the states a test gives it, answers reads, queries and waits
 * for completion from them, and fails in every way that a test asks for.
 */
export class ScriptedScheduler {
  /** Reads that arrive while the fault is `held`. */
  readonly heldReads = new Mailbox<HeldRead>();
  /** Asked for each read and page: whether to answer with an older state than the present one. */
  isStale: (id: string, method: "getInstance" | "queryInstances") => boolean = () => false;
  /** Takes the place of `fault` for queries, while it is set. */
  queryFault: Fault | undefined;
  /** Answers so far with an older state than the present one. */
  staleAnswers = 0;
  readonly #versions = new Map<string, (Instance | undefined)[]>();
  readonly #reads = new Map<string, number>();
  readonly #finds = new Map<string, number>();
  readonly #held = new Set<() => void>();
  readonly #waiting = new Map<string, Set<() => void>>();
  #fault: Fault = { kind: "none" };
  #server!: FakeScheduler;

  /** @param handlers of further methods */
  static async start(
    instances: readonly Instance[] = [],
    handlers: Handlers = {},
  ): Promise<ScriptedScheduler> {
    const scheduler = new ScriptedScheduler();
    for (const each of instances) scheduler.set(each.id, each);
    scheduler.#server = await FakeScheduler.start({
      getInstance: (call, done) => scheduler.#getInstance(call as GetCall, done),
      queryInstances: (call, done) => scheduler.#queryInstances(call as QueryCall, done),
      waitForInstanceCompletion: (call, done) =>
        scheduler.#waitForCompletion(call as GetCall, done),
      ...handlers,
    });
    return scheduler;
  }

  /** A scheduler whose reads all wait for the test to answer them. */
  static async startHeld(): Promise<ScriptedScheduler> {
    const scheduler = await ScriptedScheduler.start();
    scheduler.fault = { kind: "held" };
    return scheduler;
  }

  get address(): string {
    return this.#server.address;
  }

  get calls(): SeenCall[] {
    return this.#server.calls;
  }

  /** Calls of one method so far. */
  countOf(method: "getInstance" | "queryInstances" | "waitForInstanceCompletion"): number {
    return this.#server.of(method).length;
  }

  stop(): void {
    this.#server.stop();
  }

  /** Listens again on the port that it had, with all that it stores. */
  restart(): Promise<void> {
    return this.#server.restart();
  }

  get(id: string): Instance | undefined {
    return this.#versions.get(id)?.at(-1);
  }

  /** Stores a state: the present one with these changes, by default a millisecond later. */
  set(id: string, change: Partial<Instance> = {}): void {
    const present = this.get(id) ?? instance({ id });
    const lastUpdatedAtMs = present.lastUpdatedAtMs + 1;
    this.#store(id, { ...present, lastUpdatedAtMs, ...change, id });
  }

  purge(id: string): void {
    this.#store(id, undefined);
  }

  /** Removes an instance with all its former states and counts. */
  forget(id: string): void {
    for (const kept of [this.#versions, this.#reads, this.#finds]) kept.delete(id);
    this.#wake(id);
  }

  /** Reads of one instance so far, however they were answered. */
  readsOf(id: string): number {
    return this.#reads.get(id) ?? 0;
  }

  /** Reads of one instance so far, and pages on which it was. */
  findsOf(id: string): number {
    return this.readsOf(id) + (this.#finds.get(id) ?? 0);
  }

  /** Open calls that wait for an instance's end. */
  get openWaits(): number {
    return [...this.#waiting.values()].reduce((sum, { size }) => sum + size, 0);
  }

  get fault(): Fault {
    return this.#fault;
  }

  set fault(fault: Fault) {
    this.#fault = fault;
    if (fault.kind === "held") return;
    for (const release of this.#held) release();
    this.#held.clear();
  }

  #getInstance(call: GetCall, done: Done): void {
    const id = call.request.getInstanceid();
    this.#reads.set(id, this.readsOf(id) + 1);
    const answer = once(done);
    this.#answer(this.fault, answer, () => toResponse(this.#find(id, "getInstance")));
    if (this.fault.kind !== "held") return;
    this.heldReads.put({
      id,
      answer: (found) => answer(null, toResponse(found && instance({ id, ...found }))),
      fail: (code) => answer({ code, details: DETAILS }),
    });
  }

  #queryInstances(call: QueryCall, done: Done): void {
    const query = call.request.getQuery() ?? new pb.InstanceQuery();
    const hasPayloads = query.getFetchinputsandoutputs();
    this.#answer(this.queryFault ?? this.fault, once(done), () => {
      const found = [...this.#versions.keys()].flatMap(
        (id) => this.#find(id, "queryInstances") ?? [],
      );
      const { page, nextPageToken } = pageOf(found, filtersOf(query));
      for (const { id } of page) this.#finds.set(id, (this.#finds.get(id) ?? 0) + 1);
      const response = new pb.QueryInstancesResponse();
      response.setOrchestrationstateList(
        page.map((each) => toState(hasPayloads ? each : withoutPayloads(each))),
      );
      if (nextPageToken !== undefined) response.setContinuationtoken(text(nextPageToken));
      return response;
    });
  }

  #waitForCompletion(call: GetCall, done: Done): void {
    const id = call.request.getInstanceid();
    const complete = () => {
      waiting.delete(complete);
      this.#answer(this.fault, once(done), () => toResponse(this.get(id)));
    };
    const waiting = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, waiting);
    if (this.#isActive(id)) waiting.add(complete);
    else complete();
    call.on("cancelled", () => waiting.delete(complete));
  }

  #answer(fault: Fault, answer: Done, find: () => unknown): void {
    if (fault.kind === "error") {
      answer({ code: fault.code, details: DETAILS });
      return;
    }
    const found = find();
    const release = () => answer(null, found);
    if (fault.kind === "none") release();
    else if (fault.kind === "held") this.#held.add(release);
    else setTimeout(release, fault.ms).unref();
  }

  /**
   * The present state, or for a stale answer one from before it: of the states that share a
   * millisecond only the last, since their order is not known.
   */
  #find(id: string, method: "getInstance" | "queryInstances"): Instance | undefined {
    const versions = this.#versions.get(id) ?? [];
    const present = versions.at(-1);
    if (!this.isStale(id, method)) return present;
    const older = versions.filter(
      (state, at) => state && state.lastUpdatedAtMs !== versions[at + 1]?.lastUpdatedAtMs,
    );
    const stale = older.at(-2);
    if (!stale) return present;
    this.staleAnswers += 1;
    return stale;
  }

  #store(id: string, state: Instance | undefined): void {
    const versions = this.#versions.get(id) ?? [];
    this.#versions.set(id, [...versions, state].slice(-VERSIONS_KEPT));
    if (!this.#isActive(id)) this.#wake(id);
  }

  #isActive(id: string): boolean {
    const present = this.get(id);
    return present !== undefined && !isTerminal(present.status);
  }

  #wake(id: string): void {
    for (const complete of [...(this.#waiting.get(id) ?? [])]) complete();
  }
}

/** A call is answered once, by the test or by what is stored. */
function once(done: Done): Done {
  let isAnswered = false;
  return (...answer) => {
    if (!isAnswered) done(...answer);
    isAnswered = true;
  };
}

function toResponse(found: Instance | undefined): Proto.GetInstanceResponse {
  const response = new pb.GetInstanceResponse();
  response.setExists(found !== undefined);
  if (found) response.setOrchestrationstate(toState(found));
  return response;
}

/** What a scheduler returns that counts custom status among the payloads. */
function withoutPayloads(found: Instance): Instance {
  return { ...found, customStatus: undefined, output: undefined };
}
