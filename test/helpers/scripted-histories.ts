import {
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  type status,
} from "@grpc/grpc-js";
import grpcPb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_grpc_pb.js";
import type * as Proto from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import timestamps from "google-protobuf/google/protobuf/timestamp_pb.js";
import wrappers from "google-protobuf/google/protobuf/wrappers_pb.js";
import { onTestFinished } from "vitest";
import type { Instance } from "../../src/dts/instance.ts";
import { instance, toResponse } from "./scripted-scheduler.ts";

type Call = ServerWritableStream<Proto.StreamInstanceHistoryRequest, Proto.HistoryChunk>;

/** One read of a history that has reached the scheduler; what it is sent is up to the test. */
export interface HistoryRead {
  readonly id: string;
  /** 1 for the first read of this id. */
  readonly number: number;
  /** Aborted when the reader has gone. */
  readonly gone: AbortSignal;
  /** Resolves when the transport takes more, or the reader has gone. */
  write(events: readonly Proto.HistoryEvent[]): Promise<void>;
  end(): void;
  fail(code: status): void;
}

/** What answers a read. Its errors fail the test run. */
export type HistoryAnswer = (read: HistoryRead) => Promise<void> | void;

/** Entries a chunk where a test does not care. */
const EVENTS_PER_CHUNK = 200;

/**
 * A scheduler over real gRPC that knows the states and the histories which a test gives it. How a
 * history is sent can be taken over with `answer`.
 */
export class ScriptedHistories {
  readonly histories = new Map<string, readonly Proto.HistoryEvent[]>();
  readonly #states = new Map<string, Instance>();
  readonly #reads = new Map<string, number>();
  readonly #statusReads = new Map<string, number>();
  readonly #server = new Server({ "grpc.max_send_message_length": -1 });
  #address = "";
  /** Reads that are being answered now. */
  openReads = 0;
  /** Answers reads of histories; by default whole, in chunks. */
  answer: HistoryAnswer = (read) => this.answerWhole(read);

  /** @param keepsHistories false for a scheduler that does not know the RPC */
  static async start(keepsHistories = true): Promise<ScriptedHistories> {
    const scheduler = new ScriptedHistories();
    scheduler.#server.addService(grpcPb.TaskHubSidecarServiceService, {
      getInstance: (
        call: ServerUnaryCall<Proto.GetInstanceRequest, Proto.GetInstanceResponse>,
        done: sendUnaryData<Proto.GetInstanceResponse>,
      ) => {
        const id = call.request.getInstanceid();
        scheduler.#statusReads.set(id, scheduler.statusReadsOf(id) + 1);
        done(null, toResponse(scheduler.#states.get(id)));
      },
      ...(keepsHistories && {
        streamInstanceHistory: (call: Call) => void scheduler.#receive(call),
      }),
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

  /** Reads of this history so far. */
  readsOf(id: string): number {
    return this.#reads.get(id) ?? 0;
  }

  /** Reads of this operation's state so far. */
  statusReadsOf(id: string): number {
    return this.#statusReads.get(id) ?? 0;
  }

  /** Stores a later state. What is not given stays as it was. */
  set(id: string, next: Partial<Instance> = {}): void {
    const former = this.#states.get(id) ?? instance({ id, lastUpdatedAtMs: 1_700_000_000_000 });
    const lastUpdatedAtMs = former.lastUpdatedAtMs + 1;
    this.#states.set(id, { ...former, lastUpdatedAtMs, ...next });
  }

  forget(id: string): void {
    this.#states.delete(id);
    this.histories.delete(id);
  }

  async answerWhole(read: HistoryRead, eventsPerChunk = EVENTS_PER_CHUNK): Promise<void> {
    const events = this.histories.get(read.id) ?? [];
    for (let at = 0; at < events.length && !read.gone.aborted; at += eventsPerChunk) {
      await read.write(events.slice(at, at + eventsPerChunk));
    }
    read.end();
  }

  async #receive(call: Call): Promise<void> {
    const id = call.request.getInstanceid();
    const number = this.readsOf(id) + 1;
    this.#reads.set(id, number);
    this.openReads += 1;
    const gone = new AbortController();
    const leave = () => {
      if (!gone.signal.aborted) this.openReads -= 1;
      gone.abort();
    };
    call.on("cancelled", leave);
    call.on("close", leave);
    call.on("error", () => undefined);
    const read: HistoryRead = {
      id,
      number,
      gone: gone.signal,
      write: async (events) => {
        if (gone.signal.aborted) return;
        const chunk = new pb.HistoryChunk();
        chunk.setEventsList([...events]);
        if (call.write(chunk)) return;
        await new Promise<void>((resolve) => {
          call.once("drain", resolve);
          gone.signal.addEventListener("abort", () => resolve(), { once: true });
        });
      },
      end: () => {
        if (!gone.signal.aborted) call.end();
        leave();
      },
      fail: (code) => {
        if (!gone.signal.aborted)
          call.emit("error", Object.assign(new Error("as wanted"), { code }));
        leave();
      },
    };
    await this.answer(read);
  }
}

let clockMs = 1_700_000_000_000;

/** An entry of a history, later than those made before it. */
export function entry(
  fill: (event: Proto.HistoryEvent) => void,
  eventId = -1,
  atMs: number | undefined = clockMs++,
): Proto.HistoryEvent {
  const event = new pb.HistoryEvent();
  event.setEventid(eventId);
  if (atMs !== undefined) {
    const time = new timestamps.Timestamp();
    time.fromDate(new Date(atMs));
    event.setTimestamp(time);
  }
  fill(event);
  return event;
}

export const turnStarted = (atMs?: number) =>
  entry((event) => event.setOrchestratorstarted(new pb.OrchestratorStartedEvent()), -1, atMs);
export const turnCompleted = () =>
  entry((event) => event.setOrchestratorcompleted(new pb.OrchestratorCompletedEvent()));

export function started(executionId = "one", atMs?: number) {
  return entry(
    (event) => {
      const body = new pb.ExecutionStartedEvent();
      const owner = new pb.OrchestrationInstance();
      owner.setExecutionid(text(executionId));
      body.setOrchestrationinstance(owner);
      body.setName("scripted");
      event.setExecutionstarted(body);
    },
    -1,
    atMs,
  );
}

export function scheduled(id: number, input?: string) {
  return entry((event) => {
    const body = new pb.TaskScheduledEvent();
    body.setName(`task ${id}`);
    if (input !== undefined) body.setInput(text(input));
    event.setTaskscheduled(body);
  }, id);
}

export function completed(id: number) {
  return entry((event) => {
    const body = new pb.TaskCompletedEvent();
    body.setTaskscheduledid(id);
    event.setTaskcompleted(body);
  });
}

export function ended(how: "COMPLETED" | "FAILED" | "TERMINATED" = "COMPLETED") {
  return entry((event) => {
    const body = new pb.ExecutionCompletedEvent();
    body.setOrchestrationstatus(pb.OrchestrationStatus[`ORCHESTRATION_STATUS_${how}`]);
    event.setExecutioncompleted(body);
  });
}

/** A history of `length` entries that is not over: its start, then activities. */
export function history(length: number, executionId?: string): Proto.HistoryEvent[] {
  const events = [turnStarted(), started(executionId)];
  for (let id = 0; events.length < length; id += 1) events.push(scheduled(id), completed(id));
  return events.slice(0, length);
}

function text(value: string) {
  const wrapped = new wrappers.StringValue();
  wrapped.setValue(value);
  return wrapped;
}
