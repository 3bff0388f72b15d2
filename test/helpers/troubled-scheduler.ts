import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  type status,
} from "@grpc/grpc-js";
import grpcPb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_grpc_pb.js";
import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import { onTestFinished } from "vitest";
import type { Instance } from "../../src/dts/instance.ts";
import { toResponse, toState } from "./scripted-scheduler.ts";

type Call<Request> = ServerUnaryCall<Request, unknown>;
type Done = sendUnaryData<unknown>;
type GetRequest = InstanceType<typeof pb.GetInstanceRequest>;
type QueryRequest = InstanceType<typeof pb.QueryInstancesRequest>;

/** How the scheduler behaves toward reads. Waits and queries are reads too. */
export type Trouble =
  | { readonly kind: "none" }
  | { readonly kind: "error"; readonly code: status }
  /** What was found when the read came is answered only after this many milliseconds. */
  | { readonly kind: "slow"; readonly ms: number }
  /** Nothing is answered until the trouble is over. */
  | { readonly kind: "silent" };

/** A read that reached the scheduler. */
export interface Arrival {
  readonly rpc: "GetInstance" | "QueryInstances" | "WaitForInstanceCompletion";
  readonly id: string;
  /** By `performance.now()`. */
  readonly atMs: number;
}

/** No more than a test of an hour could need. */
const HISTORY_KEPT = 16;

/**
 * A scheduler over real gRPC that keeps what a test tells it, answers reads, queries and waits from
 * that, and gets into every kind of trouble.
 */
export class TroubledScheduler {
  /** Every read that has arrived. A test may empty it. */
  readonly arrivals: Arrival[] = [];
  /** Whether a read is answered with a state from before the present one. Asked for each read. */
  isStale: (id: string, rpc: Arrival["rpc"]) => boolean = () => false;
  /** Queries fail with this code, while it is set. */
  queryFailure: status | undefined;
  /** Queries are not answered at all, while it is set. */
  holdQueries = false;
  /** Pages that were queried with payloads. */
  pagesWithPayloads = 0;
  /** Reads that have arrived so far, never emptied. */
  arrived = 0;
  /** Reads that were answered with an older state than the present one. */
  staleAnswers = 0;
  #server = new Server();
  readonly #states = new Map<string, (Instance | undefined)[]>();
  readonly #counts = new Map<string, number>();
  readonly #paged = new Map<string, number>();
  readonly #held = new Set<() => void>();
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #trouble: Trouble = { kind: "none" };
  #address = "";

  static async start(): Promise<TroubledScheduler> {
    const scheduler = new TroubledScheduler();
    await scheduler.#listen(0);
    onTestFinished(() => scheduler.stop());
    return scheduler;
  }

  async #listen(wanted: number): Promise<void> {
    this.#server = new Server();
    this.#server.addService(grpcPb.TaskHubSidecarServiceService, {
      getInstance: (call: Call<GetRequest>, done: Done) => this.#getInstance(call, done),
      queryInstances: (call: Call<QueryRequest>, done: Done) => this.#queryInstances(call, done),
      waitForInstanceCompletion: (call: Call<GetRequest>, done: Done) =>
        this.#waitForCompletion(call, done),
    } as never);
    const port = await new Promise<number>((resolve, reject) =>
      this.#server.bindAsync(
        `127.0.0.1:${wanted}`,
        ServerCredentials.createInsecure(),
        (error, at) => (error ? reject(error) : resolve(at)),
      ),
    );
    this.#address = `127.0.0.1:${port}`;
  }

  /** Comes up again where it was, with all that it knew. */
  restart(): Promise<void> {
    return this.#listen(Number(this.#address.split(":").at(-1)));
  }

  /** Calls that wait for an operation's end. */
  get openWaits(): number {
    return [...this.#waiting.values()].reduce((sum, { size }) => sum + size, 0);
  }

  get address(): string {
    return this.#address;
  }

  /** Calls of one kind so far. */
  countOf(rpc: Arrival["rpc"]): number {
    return this.arrivals.filter((arrival) => arrival.rpc === rpc).length;
  }

  /** Reads of one operation so far, however they were answered. */
  readsOf(id: string): number {
    return this.#counts.get(id) ?? 0;
  }

  get(id: string): Instance | undefined {
    return this.#states.get(id)?.at(-1);
  }

  /** Reads of one operation so far, alone or in a page. */
  findsOf(id: string): number {
    return this.readsOf(id) + (this.#paged.get(id) ?? 0);
  }

  /** Makes this the present state; `undefined` purges. */
  set(id: string, state: Instance | undefined): void {
    const history = this.#states.get(id) ?? [];
    this.#states.set(id, [...history, state].slice(-HISTORY_KEPT));
    if (state === undefined || isOver(state)) this.#wake(id);
  }

  /** Forgets an operation and all it ever was. */
  forget(id: string): void {
    this.#states.delete(id);
    this.#counts.delete(id);
    this.#paged.delete(id);
    this.#wake(id);
  }

  get trouble(): Trouble {
    return this.#trouble;
  }

  set trouble(trouble: Trouble) {
    this.#trouble = trouble;
    if (trouble.kind === "silent") return;
    for (const release of this.#held) release();
    this.#held.clear();
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#server.forceShutdown();
  }

  #getInstance(call: Call<GetRequest>, done: Done): void {
    const id = call.request.getInstanceid();
    this.#arrived("GetInstance", id);
    this.#answer(done, () => toResponse(this.#find(id, "GetInstance")));
  }

  #queryInstances(call: Call<QueryRequest>, done: Done): void {
    this.#arrived("QueryInstances", "");
    if (this.queryFailure !== undefined) {
      done({ code: this.queryFailure, details: "as the test wants it" });
      return;
    }
    if (this.holdQueries) return;
    const payloads = call.request.getQuery()?.getFetchinputsandoutputs() ?? false;
    if (payloads) this.pagesWithPayloads += 1;
    const query = call.request.getQuery();
    const from = query?.getCreatedtimefrom()?.toDate().getTime() ?? 0;
    const to = query?.getCreatedtimeto()?.toDate().getTime() ?? Number.POSITIVE_INFINITY;
    const prefix = query?.getInstanceidprefix()?.getValue() ?? "";
    const statuses = (query?.getRuntimestatusList() ?? []) as number[];
    const size = query?.getMaxinstancecount() || 100;
    const start = Number(query?.getContinuationtoken()?.getValue() || 0);
    this.#answer(done, () => {
      const found: Instance[] = [];
      for (const id of this.#states.keys()) {
        const state = this.#find(id, "QueryInstances");
        if (!state?.id.startsWith(prefix)) continue;
        if (state.createdAtMs < from || state.createdAtMs >= to) continue;
        const code = pb.OrchestrationStatus[`ORCHESTRATION_STATUS_${state.status}`] as number;
        if (statuses.length === 0 || statuses.includes(code)) found.push(state);
      }
      const response = new pb.QueryInstancesResponse();
      const page = found.slice(start, start + size);
      for (const { id } of page) this.#paged.set(id, (this.#paged.get(id) ?? 0) + 1);
      response.setOrchestrationstateList(
        page.map((each) => toState(payloads ? each : withoutPayloads(each))),
      );
      if (found.length > start + size) {
        const token = toState({ ...(found[0] as Instance), output: String(start + size) });
        response.setContinuationtoken(token.getOutput());
      }
      return response;
    });
  }

  #waitForCompletion(call: Call<GetRequest>, done: Done): void {
    const id = call.request.getInstanceid();
    this.arrivals.push({ rpc: "WaitForInstanceCompletion", id, atMs: performance.now() });
    const tell = () => {
      waiting.delete(tell);
      this.#answer(done, () => toResponse(this.get(id)));
    };
    const waiting = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, waiting);
    const now = this.get(id);
    if (!now || isOver(now)) tell();
    else waiting.add(tell);
    call.on("cancelled", () => waiting.delete(tell));
  }

  #arrived(rpc: "GetInstance" | "QueryInstances", id: string): void {
    this.arrivals.push({ rpc, id, atMs: performance.now() });
    this.arrived += 1;
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
  }

  #answer(done: Done, find: () => unknown): void {
    const trouble = this.#trouble;
    if (trouble.kind === "error") {
      done({ code: trouble.code, details: "as the test wants it" });
    } else if (trouble.kind === "none") {
      done(null, find());
    } else {
      const found = find();
      const release = () => done(null, found);
      if (trouble.kind === "silent") this.#held.add(release);
      else {
        const timer = setTimeout(() => {
          this.#timers.delete(timer);
          release();
        }, trouble.ms);
        this.#timers.add(timer);
      }
    }
  }

  /**
   * The present state, or for a stale read one from before it: of the states that share a millisecond
   * only the last, since nobody could tell their order.
   */
  #find(id: string, rpc: Arrival["rpc"]): Instance | undefined {
    const history = this.#states.get(id) ?? [];
    const present = history.at(-1);
    if (!this.isStale(id, rpc)) return present;
    const older = history.filter(
      (state, at) => state && state.lastUpdatedAtMs !== history[at + 1]?.lastUpdatedAtMs,
    );
    const stale = older.at(-2);
    if (!stale) return present;
    this.staleAnswers += 1;
    return stale;
  }

  #wake(id: string): void {
    for (const tell of [...(this.#waiting.get(id) ?? [])]) tell();
  }
}

/** What a scheduler returns that counts custom status among the payloads. */
function withoutPayloads(instance: Instance): Instance {
  return { ...instance, customStatus: undefined, output: undefined };
}

function isOver({ status }: Instance): boolean {
  return ["COMPLETED", "FAILED", "TERMINATED", "CANCELED"].includes(status);
}
