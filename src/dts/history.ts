import { type CallOptions, InterceptingCall } from "@grpc/grpc-js";
import type * as Proto from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import type { ConnectionOptions } from "./connection/connection.ts";
import type { Stub } from "./connection/unary.ts";
import { epochMs } from "./instance.ts";
import { SchedulerError } from "./scheduler-error.ts";

/** One entry of a stored history: the fields that steps show. */
export interface HistoryEntry {
  /** The protocol's name of the event's type, such as `TASKSCHEDULED`. */
  readonly type: string;
  /** The id of the action that it confirms; -1 for other entries. */
  readonly eventId: number;
  /** Epoch milliseconds, if the scheduler gives a time. */
  readonly atMs: number | undefined;
  readonly name: string | undefined;
  /** The `eventId` of what this entry completes. */
  readonly completes: number | undefined;
  /** Of the start of an execution. */
  readonly executionId: string | undefined;
  /** Of a sub-orchestration that it creates. */
  readonly childId: string | undefined;
  /** Of the end of an execution: the protocol's status, such as `COMPLETED`. */
  readonly status: string | undefined;
  readonly failure: { readonly type: string; readonly message: string } | undefined;
  /** Serialised JSON. */
  readonly input: string | undefined;
  readonly output: string | undefined;
}

/** Time without a chunk after which a read is cancelled. */
const SILENT_MS = 30_000;

const TYPE_NAMES = new Map<number, string>(
  Object.entries(pb.HistoryEvent.EventtypeCase).map(([name, code]) => [Number(code), name]),
);
const STATUS_NAMES = new Map<number, string>(
  Object.entries(pb.OrchestrationStatus).map(([name, code]) => [
    Number(code),
    name.replace("ORCHESTRATION_STATUS_", ""),
  ]),
);

/**
 * Reads a history from its first entry, in the scheduler's chunks. While the caller handles a chunk, at
 * most one more is received, besides the transport's window. An unknown instance has no entries.
 * Leaving the loop cancels the read, and so does `signal`.
 * @throws SchedulerError
 */
export async function* readHistory(
  stub: Stub,
  { metadataGenerator, log }: ConnectionOptions,
  id: string,
  signal?: AbortSignal,
): AsyncGenerator<readonly HistoryEntry[], void, undefined> {
  const request = new pb.StreamInstanceHistoryRequest();
  request.setInstanceid(id);
  let call: ReturnType<Stub["streamInstanceHistory"]> | undefined;
  let timer: NodeJS.Timeout | undefined;
  const cancel = () => call?.cancel();
  const line = { rpc: "StreamInstanceHistory", operationId: id };
  log?.debug(line, "scheduler call begins");
  const gate = new ChunkGate();
  const guard = () => {
    clearTimeout(timer);
    timer = setTimeout(cancel, SILENT_MS);
  };
  try {
    const metadata = await metadataGenerator();
    signal?.throwIfAborted();
    call = stub.streamInstanceHistory(request, metadata, gate.options);
    signal?.addEventListener("abort", cancel, { once: true });
    guard();
    for await (const chunk of call as AsyncIterable<Proto.HistoryChunk>) {
      clearTimeout(timer);
      yield chunk.getEventsList().map(toEntry);
      guard();
      gate.open();
    }
  } catch (error) {
    const failure = new SchedulerError("StreamInstanceHistory", error);
    log?.debug({ ...line, outcome: failure.kind, reason: failure.message }, "scheduler call");
    if (failure.kind !== "not-found") throw failure;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", cancel);
    cancel();
  }
}

/**
 * Receives one message at a time. A gRPC call buffers sixteen before it applies back-pressure, and a
 * chunk of a history can have megabytes.
 */
class ChunkGate {
  #isOpen = true;
  #waiting: (() => void) | undefined;

  readonly options: Partial<CallOptions> = {
    interceptors: [
      (options, nextCall) =>
        new InterceptingCall(nextCall(options), {
          start: (metadata, _listener, next) =>
            next(metadata, {
              onReceiveMessage: (message, pass) => this.#take(() => pass(message)),
            }),
        }),
    ],
  };

  open(): void {
    this.#isOpen = true;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting) this.#take(waiting);
  }

  #take(pass: () => void): void {
    if (!this.#isOpen) {
      this.#waiting = pass;
      return;
    }
    this.#isOpen = false;
    pass();
  }
}

/** The fields that depend on the type of an entry. */
type Details = Partial<Omit<HistoryEntry, "type" | "eventId" | "atMs">>;

const NO_DETAILS: Details = {};

function toEntry(event: Proto.HistoryEvent): HistoryEntry {
  const { name, completes, executionId, childId, status, failure, input, output } =
    detailsOf(event);
  return {
    type: TYPE_NAMES.get(event.getEventtypeCase()) ?? "EVENTTYPE_NOT_SET",
    eventId: event.getEventid(),
    atMs: epochMs(event.getTimestamp()),
    name,
    completes,
    executionId,
    childId,
    status,
    failure,
    input,
    output,
  };
}

function detailsOf(event: Proto.HistoryEvent): Details {
  const started = event.getExecutionstarted();
  if (started) {
    const executionId = started.getOrchestrationinstance()?.getExecutionid();
    return {
      name: started.getName(),
      executionId: executionId?.getValue(),
      input: text(started.getInput()),
    };
  }
  const completed = event.getExecutioncompleted();
  if (completed) {
    return {
      status: STATUS_NAMES.get(completed.getOrchestrationstatus()),
      failure: failureOf(completed.getFailuredetails()),
      output: text(completed.getResult()),
    };
  }
  const child = event.getSuborchestrationinstancecreated();
  const scheduled = event.getTaskscheduled() ?? child;
  if (scheduled) {
    const childId = child?.getInstanceid() || undefined;
    return { name: scheduled.getName(), childId, input: text(scheduled.getInput()) };
  }
  const done = event.getTaskcompleted() ?? event.getSuborchestrationinstancecompleted();
  if (done) return { completes: done.getTaskscheduledid(), output: text(done.getResult()) };
  const failed = event.getTaskfailed() ?? event.getSuborchestrationinstancefailed();
  if (failed) {
    return {
      completes: failed.getTaskscheduledid(),
      failure: failureOf(failed.getFailuredetails()),
    };
  }
  const fired = event.getTimerfired();
  if (fired) return { completes: fired.getTimerid() };
  const message = event.getEventraised() ?? event.getEventsent();
  if (message) return { name: message.getName(), input: text(message.getInput()) };
  const ended = event.getExecutionterminated() ?? event.getContinueasnew();
  return ended ? { input: text(ended.getInput()) } : NO_DETAILS;
}

function text(value: { getValue(): string } | undefined): string | undefined {
  return value?.getValue() || undefined;
}

function failureOf(details: Proto.TaskFailureDetails | undefined): Details["failure"] {
  return details && { type: details.getErrortype(), message: details.getErrormessage() };
}
