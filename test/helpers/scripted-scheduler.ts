import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type sendUnaryData,
  type status,
} from "@grpc/grpc-js";
import grpcPb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_grpc_pb.js";
import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import timestamps from "google-protobuf/google/protobuf/timestamp_pb.js";
import wrappers from "google-protobuf/google/protobuf/wrappers_pb.js";
import { onTestFinished } from "vitest";
import type { Instance } from "../../src/dts/instance.ts";
import { Mailbox } from "./mailbox.ts";

type GetInstance = ServerUnaryCall<
  InstanceType<typeof pb.GetInstanceRequest>,
  InstanceType<typeof pb.GetInstanceResponse>
>;

/** A read that has reached the scheduler and waits for the test to answer it. */
export interface PendingRead {
  readonly id: string;
  answer(instance: Partial<Instance> | undefined): void;
  fail(code: status): void;
}

/** The state of an instance, filled up with what a test does not care about. */
export function instance(overrides: Partial<Instance> = {}): Instance {
  return {
    id: "op",
    name: "test",
    version: undefined,
    tags: undefined,
    parentId: undefined,
    status: "RUNNING",
    createdAtMs: 1_700_000_000_000,
    lastUpdatedAtMs: 1_700_000_001_000,
    scheduledAtMs: undefined,
    completedAtMs: undefined,
    customStatus: undefined,
    output: undefined,
    failure: undefined,
    ...overrides,
  };
}

/**
 * A peer that speaks the real protocol over real gRPC and knows only what a test tells it: either
 * each read waits to be answered by hand, or all are answered from `store`.
 */
export class ScriptedScheduler {
  readonly reads = new Mailbox<PendingRead>();
  /** Answers reads by itself from here, once it is set. */
  store: Map<string, Instance> | undefined;
  /** Reads fail with this code, while it is set. */
  failure: status | undefined;
  /** Reads that have arrived so far, by id. */
  readonly readCounts = new Map<string, number>();
  readonly #server = new Server({ "grpc.max_send_message_length": -1 });
  #address = "";

  /** @param more handlers of further calls */
  static async start(store?: Map<string, Instance>, more: object = {}): Promise<ScriptedScheduler> {
    const scheduler = new ScriptedScheduler();
    scheduler.store = store;
    scheduler.#server.addService(grpcPb.TaskHubSidecarServiceService, {
      ...more,
      getInstance: (call: GetInstance, done: sendUnaryData<unknown>) =>
        scheduler.#receive(call, done as never),
    } as never);
    const port = await new Promise<number>((resolve, reject) =>
      scheduler.#server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, at) =>
        error ? reject(error) : resolve(at),
      ),
    );
    scheduler.#address = `127.0.0.1:${port}`;
    onTestFinished(() => scheduler.#server.forceShutdown());
    return scheduler;
  }

  get address(): string {
    return this.#address;
  }

  get readCount(): number {
    return [...this.readCounts.values()].reduce((sum, count) => sum + count, 0);
  }

  #receive(
    call: GetInstance,
    done: sendUnaryData<InstanceType<typeof pb.GetInstanceResponse>>,
  ): void {
    const id = call.request.getInstanceid();
    this.readCounts.set(id, (this.readCounts.get(id) ?? 0) + 1);
    const read: PendingRead = {
      id,
      answer: (found) => done(null, toResponse(found && instance({ id, ...found }))),
      fail: (code) => done({ code, details: "as the test wants it" }),
    };
    if (this.failure !== undefined) read.fail(this.failure);
    else if (this.store) read.answer(this.store.get(id));
    else this.reads.put(read);
  }
}

/** The answer to a read. */
export function toResponse(
  found: Instance | undefined,
): InstanceType<typeof pb.GetInstanceResponse> {
  const response = new pb.GetInstanceResponse();
  response.setExists(found !== undefined);
  if (found) response.setOrchestrationstate(toState(found));
  return response;
}

/** An instance as it goes over the wire. */
export function toState(found: Instance): InstanceType<typeof pb.OrchestrationState> {
  const state = new pb.OrchestrationState();
  state.setInstanceid(found.id);
  state.setName(found.name);
  state.setOrchestrationstatus(pb.OrchestrationStatus[`ORCHESTRATION_STATUS_${found.status}`]);
  state.setCreatedtimestamp(timestamp(found.createdAtMs));
  state.setLastupdatedtimestamp(timestamp(found.lastUpdatedAtMs));
  if (found.customStatus !== undefined) state.setCustomstatus(text(found.customStatus));
  if (found.output !== undefined) state.setOutput(text(found.output));
  if (found.failure) {
    const details = new pb.TaskFailureDetails();
    details.setErrortype(found.failure.type);
    details.setErrormessage(found.failure.message);
    details.setStacktrace(text("at secret.ts:1"));
    state.setFailuredetails(details);
  }
  return state;
}

function timestamp(epochMs: number) {
  const value = new timestamps.Timestamp();
  value.fromDate(new Date(epochMs));
  return value;
}

function text(value: string) {
  const wrapped = new wrappers.StringValue();
  wrapped.setValue(value);
  return wrapped;
}
