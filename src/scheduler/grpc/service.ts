/** The gRPC service: each method of the protocol, its handler, and what is not implemented. */
import type {
  handleServerStreamingCall,
  MethodDefinition,
  ServerInterceptingCall,
  ServerInterceptor,
  ServerWritableStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type { WorkQueue } from "../dispatch/work-queue.ts";
import type { Engine } from "../engine/commands.ts";
import type { Entities } from "../engine/entities.ts";
import type { Reads } from "../engine/reads.ts";
import type { Turns } from "../engine/turns.ts";
import { type pb, TaskHubSidecarServiceService } from "../protocol/proto.ts";
import { unimplemented } from "../protocol/status-errors.ts";
import type { Store } from "../storage/store.ts";
import type { TaskHub } from "../storage/task-hubs.ts";
import { type CallGate, type Handler, Oversized, toServiceError, unary } from "./calls.ts";
import { entityMethods } from "./entity-methods.ts";
import { streamHistory } from "./history-stream.ts";
import { managementMethods } from "./management-methods.ts";
import { queryMethods } from "./query-methods.ts";
import { serveWorker, workerMethods } from "./worker-methods.ts";

export interface ServiceParts {
  readonly engine: Engine;
  readonly reads: Reads;
  readonly turns: Turns;
  readonly entities: Entities;
  readonly queue: WorkQueue;
  readonly store: Store;
  readonly gate: CallGate;
}

/** A client sends one payload of at most 1 MiB, a batch of ids, or a worker's filters. */
const MAX_REQUEST_BYTES = 4 * 1024 * 1024;

/** What a compressed message may become; no SDK compresses unless told. */
const MAX_DECOMPRESSED_BYTES = 4 * 1024 * 1024;

/**
 * Bounds decompression. By itself grpc-js (1.14) decompresses up to the largest message that the
 * server accepts, so a kilobyte sent could take a hundred megabytes here. It checks this property
 * only on compressed messages, and has no option for it.
 */
export const boundDecompression: ServerInterceptor = (_method, call) => {
  Object.assign(call, { maxReceiveMessageSize: MAX_DECOMPRESSED_BYTES });
  return call as ServerInterceptingCall;
};

/** Results of a wide fan-out come in one message, which only the server's own limit bounds. */
const FROM_WORKERS: readonly string[] = ["completeOrchestratorTask", "completeEntityTask"];

const { getWorkItems, streamInstanceHistory } = TaskHubSidecarServiceService;

/** The SDK's definition, except that work items and histories come serialized: what is stored is never parsed here. */
export const serviceDefinition: ServiceDefinition = {
  ...Object.fromEntries(
    Object.entries<MethodDefinition<unknown, unknown>>(TaskHubSidecarServiceService).map(
      ([method, definition]) => [
        method,
        FROM_WORKERS.includes(method) ? definition : boundedRequest(definition),
      ],
    ),
  ),
  getWorkItems: {
    ...boundedRequest(getWorkItems),
    responseSerialize: (workItem: Buffer) => workItem,
  },
  streamInstanceHistory: {
    ...boundedRequest(streamInstanceHistory),
    responseSerialize: (chunk: Buffer) => chunk,
  },
};

function boundedRequest<Request, Response>(
  definition: MethodDefinition<Request, Response>,
): MethodDefinition<Request | Oversized, Response> {
  return {
    ...definition,
    requestSerialize: definition.requestSerialize as (request: Request | Oversized) => Buffer,
    requestDeserialize: (bytes) =>
      bytes.length > MAX_REQUEST_BYTES
        ? new Oversized(bytes.length, MAX_REQUEST_BYTES)
        : definition.requestDeserialize(bytes),
  };
}

export function createService(parts: ServiceParts): UntypedServiceImplementation {
  const { engine, reads, turns, entities, queue, store, gate } = parts;
  const service: UntypedServiceImplementation = {};
  for (const [method, { path }] of Object.entries(serviceDefinition)) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    service[method] = unary(name, gate, () => {
      throw unimplemented(name);
    });
  }
  const handlers = {
    ...managementMethods(engine, reads),
    ...queryMethods(engine, reads, store),
    ...entityMethods(entities, reads, store),
    ...workerMethods(turns, entities, queue),
  };
  for (const [method, handler] of Object.entries(handlers)) {
    const run = handler as Handler<unknown, unknown>;
    service[method] = unary(method, gate, run);
  }
  service.getWorkItems = streaming("GetWorkItems", gate, (hub, call) =>
    serveWorker(queue, hub, call as ServerWritableStream<pb.GetWorkItemsRequest, Buffer>),
  );
  service.streamInstanceHistory = streaming("StreamInstanceHistory", gate, (hub, call) =>
    streamHistory(
      reads,
      hub.id,
      call as ServerWritableStream<pb.StreamInstanceHistoryRequest, Buffer>,
    ),
  );
  return service;
}

function streaming(
  method: string,
  gate: CallGate,
  serve: (hub: TaskHub, call: ServerWritableStream<unknown, unknown>) => void | Promise<void>,
): handleServerStreamingCall<unknown, unknown> {
  return (call) => {
    const run = async () => {
      const hub = gate.admit(call.metadata);
      if (call.request instanceof Oversized) throw call.request.error;
      await serve(hub, call);
    };
    run().catch((error: unknown) => call.emit("error", toServiceError(method, gate, error)));
  };
}
