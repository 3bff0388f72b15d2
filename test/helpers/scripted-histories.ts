import type { ServerWritableStream, status } from "@grpc/grpc-js";
import type * as Proto from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import timestamps from "google-protobuf/google/protobuf/timestamp_pb.js";
import wrappers from "google-protobuf/google/protobuf/wrappers_pb.js";
import type { Instance } from "../../src/dts/instance.ts";
import { instance, ScriptedScheduler } from "./scripted-scheduler.ts";

type Call = ServerWritableStream<Proto.StreamInstanceHistoryRequest, Proto.HistoryChunk>;

/** A read of a history that has arrived at the scheduler. The test answers it. */
export interface HistoryRead {
  readonly id: string;
  /** 1 for the first read of this id. */
  readonly number: number;
  /** Aborted when the reader has cancelled. */
  readonly gone: AbortSignal;
  /** Resolves when the transport takes more, or the reader has cancelled. */
  write(events: readonly Proto.HistoryEvent[]): Promise<void>;
  end(): void;
  fail(code: status): void;
}

/** Answers a read. An error fails the test. */
export type HistoryAnswer = (read: HistoryRead) => Promise<void> | void;

/** Entries per chunk by default. */
const EVENTS_PER_CHUNK = 200;

/** A scheduler over real gRPC with the states and histories that a test stores in it. */
export class ScriptedHistories {
  readonly histories = new Map<string, readonly Proto.HistoryEvent[]>();
  readonly #states = new Map<string, Instance>();
  readonly #reads = new Map<string, number>();
  #scheduler: ScriptedScheduler | undefined;
  /** Reads of histories that have not ended. */
  openReads = 0;
  /** Answers each read of a history. By default it sends the whole, in chunks. */
  answer: HistoryAnswer = (read) => this.answerWhole(read);

  /** @param keepsHistories false for a scheduler that does not know the RPC */
  static async start(keepsHistories = true): Promise<ScriptedHistories> {
    const histories = new ScriptedHistories();
    const streamInstanceHistory = (call: Call) => void histories.#receive(call);
    const more = keepsHistories ? { streamInstanceHistory } : {};
    histories.#scheduler = await ScriptedScheduler.start(histories.#states, more);
    return histories;
  }

  get address(): string {
    return this.#scheduler?.address ?? "";
  }

  /** Reads of this history so far. */
  readsOf(id: string): number {
    return this.#reads.get(id) ?? 0;
  }

  /** Reads of this operation's state so far. */
  statusReadsOf(id: string): number {
    return this.#scheduler?.readCounts.get(id) ?? 0;
  }

  /** Stores a later state: the former one with these changes. */
  set(id: string, next: Partial<Instance> = {}): void {
    const former = this.#states.get(id) ?? instance({ id, lastUpdatedAtMs: 1_700_000_000_000 });
    const lastUpdatedAtMs = former.lastUpdatedAtMs + 1;
    this.#states.set(id, { ...former, lastUpdatedAtMs, ...next });
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
          call.emit("error", Object.assign(new Error("as the test wants it"), { code }));
        leave();
      },
    };
    await this.answer(read);
  }
}

let clockMs = 1_700_000_000_000;

/** An entry of a history. By default its time is later than that of all entries made before. */
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

/** A history of `length` entries that has not ended: the start, then activities. */
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
