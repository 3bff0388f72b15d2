/**
 * A scheduler for benches, in a process of its own: it speaks the real protocol over real gRPC, keeps
 * nothing, and changes the state of its operations by the clock. A thousand real orchestrations
 * would need the machine for themselves; here the server under measurement gets it.
 */
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import grpcPb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_grpc_pb.js";
import type * as Proto from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import { HintSender } from "../../src/dts/hints/hint-sender.ts";
import type { RuntimeStatus } from "../../src/dts/instance.ts";
import {
  filtersOf,
  instance,
  pageOf,
  text,
  toState,
} from "../../test/helpers/scheduler/instance.ts";
import { Child, obey } from "./child.ts";
import { onSchedule, type Schedule } from "./schedule.ts";

/** Operations that are called `<prefix>-0`, `<prefix>-1`, … */
export interface Script {
  readonly prefix: string;
  readonly count: number;
  /** They were created one after the other over this time, in milliseconds. Default: one a millisecond. */
  readonly overMs?: number;
  /** Bytes of padding in each custom status. */
  readonly padding?: number;
}

/** When the operations of a script change. */
export interface Pace {
  readonly prefix: string;
  /** Milliseconds between two changes of one operation. */
  readonly everyMs: number;
  /** Whether each interval is drawn from 0.5 to 1.5 times that, so that nothing can be foreseen. */
  readonly random?: boolean;
}

/** Changes of one operation that are hinted as a worker does it. */
export interface HintedChanges extends Schedule {
  readonly id: string;
  readonly hintUrl: string;
}

export interface ServedCalls {
  readonly getInstance: number;
  readonly queryInstances: number;
  readonly waiting: number;
  readonly changes: number;
}

/** The bench's handle on that process. */
export class TimedScheduler {
  readonly child: Child;
  readonly address: string;

  static async start(core: number): Promise<TimedScheduler> {
    const child = Child.start("support/timed-scheduler.ts", { core });
    return new TimedScheduler(child, await child.ask("listen"));
  }

  private constructor(child: Child, address: string) {
    this.child = child;
    this.address = address;
  }

  create = (script: Script) => this.child.ask<void>("create", script);
  change = (pace: Pace) => this.child.ask<void>("change", pace);
  /** Changes an operation at an even rate, and sends hints of it. @returns as `onSchedule` */
  changeOnSchedule = (changes: HintedChanges) =>
    this.child.ask<number>("changeOnSchedule", changes);
  still = (prefix: string) => this.child.ask<void>("still", prefix);
  /** Ends all operations of a script, one after the other over `overMs`. */
  finish = (prefix: string, overMs: number) => this.child.ask<void>("finish", { prefix, overMs });
  served = () => this.child.ask<ServedCalls>("served");
  stop = () => this.child.stop();
}

type Unary<Request> = ServerUnaryCall<Request, Buffer>;
type Done = sendUnaryData<Buffer>;

class TimedOperation {
  readonly id: string;
  readonly #createdAtMs: number;
  readonly #padding: string;
  readonly waiting = new Set<Done>();
  timer: NodeJS.Timeout | undefined;
  #version = 0;
  #ended = false;
  #updatedAtMs: number;
  #bytes: Buffer | undefined;

  constructor(id: string, createdAtMs: number, padding: number) {
    this.id = id;
    this.#createdAtMs = createdAtMs;
    this.#updatedAtMs = createdAtMs;
    this.#padding = "x".repeat(padding);
  }

  get createdAtMs(): number {
    return this.#createdAtMs;
  }

  /** The `OrchestrationState` message of its present state. */
  get bytes(): Buffer {
    this.#bytes ??= Buffer.from(this.#toState().serializeBinary());
    return this.#bytes;
  }

  change(atMs = Date.now()): void {
    if (this.#ended) return;
    this.#version += 1;
    this.#touch(atMs);
  }

  end(): void {
    if (this.#ended) return;
    clearTimeout(this.timer);
    this.#ended = true;
    this.#touch(Date.now());
    for (const done of this.waiting) done(null, getInstanceResponse(this));
    this.waiting.clear();
  }

  get ended(): boolean {
    return this.#ended;
  }

  get status(): RuntimeStatus {
    return this.#ended ? "COMPLETED" : "RUNNING";
  }

  #touch(atMs: number): void {
    this.#updatedAtMs = atMs;
    this.#bytes = undefined;
    counts.changes += 1;
  }

  #toState(): Proto.OrchestrationState {
    const percent = this.#version % 100;
    const progress = { percent, step: this.#version, message: `step ${this.#version}` };
    const padded = this.#padding ? { ...progress, padding: this.#padding } : progress;
    return toState(
      instance({
        id: this.id,
        status: this.status,
        createdAtMs: this.#createdAtMs,
        lastUpdatedAtMs: this.#updatedAtMs,
        customStatus: JSON.stringify(padded),
        output: this.#ended ? '"done"' : undefined,
      }),
    );
  }
}

const counts = { getInstance: 0, queryInstances: 0, changes: 0 };
const operations = new Map<string, TimedOperation>();
/** By the time of their creation, as queries list them. */
const listed: TimedOperation[] = [];

function getInstance(call: Unary<Proto.GetInstanceRequest>, done: Done): void {
  counts.getInstance += 1;
  const operation = operations.get(call.request.getInstanceid());
  done(null, operation ? getInstanceResponse(operation) : NO_INSTANCE);
}

function waitForInstanceCompletion(call: Unary<Proto.GetInstanceRequest>, done: Done): void {
  const operation = operations.get(call.request.getInstanceid());
  if (!operation) done(null, NO_INSTANCE);
  else if (operation.ended) done(null, getInstanceResponse(operation));
  else {
    operation.waiting.add(done);
    call.on("cancelled", () => operation.waiting.delete(done));
  }
}

function queryInstances(call: Unary<Proto.QueryInstancesRequest>, done: Done): void {
  counts.queryInstances += 1;
  const query = call.request.getQuery() ?? new pb.InstanceQuery();
  const { page, nextPageToken } = pageOf(listed, filtersOf(query));
  const parts = page.flatMap(({ bytes }) => [field(1, bytes.length), bytes]);
  if (nextPageToken !== undefined) {
    const token = text(nextPageToken).serializeBinary();
    parts.push(field(2, token.length), Buffer.from(token));
  }
  done(null, Buffer.concat(parts));
}

/** `GetInstanceResponse{exists, orchestrationState}`, from a state that is made once. */
function getInstanceResponse(operation: TimedOperation): Buffer {
  const { bytes } = operation;
  return Buffer.concat([EXISTS, field(2, bytes.length), bytes]);
}

const NO_INSTANCE = Buffer.alloc(0);
const EXISTS = Buffer.from([0x08, 0x01]);

/** The tag and length of a field that holds a message. */
function field(number: number, length: number): Buffer {
  const bytes = [(number << 3) | 2];
  let rest = length;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}

function create({ prefix, count, overMs = count, padding = 0 }: Script): void {
  const beganAtMs = Date.now() - overMs;
  for (let i = 0; i < count; i += 1) {
    const createdAtMs = Math.floor(beganAtMs + (i * overMs) / count);
    const operation = new TimedOperation(`${prefix}-${i}`, createdAtMs, padding);
    operations.set(operation.id, operation);
    listed.push(operation);
  }
  listed.sort((a, b) => a.createdAtMs - b.createdAtMs);
}

function change({ prefix, everyMs, random = false }: Pace): void {
  const nextMs = () => (random ? everyMs * (0.5 + Math.random()) : everyMs);
  for (const operation of named(prefix)) {
    let dueAtMs = performance.now() + Math.random() * everyMs;
    const next = () => {
      operation.timer = setTimeout(
        () => {
          operation.change();
          dueAtMs += nextMs();
          next();
        },
        Math.max(0, dueAtMs - performance.now()),
      );
    };
    next();
  }
}

let sender: HintSender | undefined;

function changeOnSchedule({ id, hintUrl, ...schedule }: HintedChanges): Promise<number> {
  sender ??= new HintSender({ url: hintUrl });
  return onSchedule(schedule, (dueAtMs) => {
    operations.get(id)?.change(dueAtMs);
    sender?.hint(id);
  });
}

async function finish({ prefix, overMs }: { prefix: string; overMs: number }): Promise<void> {
  const all = named(prefix);
  const beganMs = performance.now();
  for (const [index, operation] of all.entries()) {
    const dueMs = beganMs + (overMs * index) / all.length;
    if (dueMs > performance.now()) {
      await new Promise((resolve) => setTimeout(resolve, dueMs - performance.now()));
    }
    operation.end();
  }
}

function named(prefix: string): TimedOperation[] {
  return listed.filter(({ id }) => id.startsWith(`${prefix}-`));
}

async function listen(): Promise<string> {
  const asItIs = (bytes: Buffer) => bytes;
  const service = grpcPb.TaskHubSidecarServiceService as unknown as Record<string, object>;
  const answeringBytes = (name: string) => ({ ...service[name], responseSerialize: asItIs });
  const server = new Server();
  server.addService(
    {
      getInstance: answeringBytes("getInstance"),
      queryInstances: answeringBytes("queryInstances"),
      waitForInstanceCompletion: answeringBytes("waitForInstanceCompletion"),
    } as never,
    { getInstance, queryInstances, waitForInstanceCompletion } as never,
  );
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
    error ? reject(error) : resolve(port),
  );
  return `127.0.0.1:${await promise}`;
}

if (process.argv[1] === import.meta.filename) {
  obey({
    listen,
    create,
    change,
    changeOnSchedule,
    still: (prefix: string) => {
      for (const operation of named(prefix)) clearTimeout(operation.timer);
    },
    finish,
    served: (): ServedCalls => ({
      ...counts,
      waiting: [...operations.values()].reduce((sum, { waiting }) => sum + waiting.size, 0),
    }),
  });
}
