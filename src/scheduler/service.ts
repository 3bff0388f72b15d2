/** The gRPC service: each method of the protocol, its handler, and what is not implemented. */
import type {
  handleServerStreamingCall,
  ServerWritableStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type { Engine } from "./engine.ts";
import type { Entities } from "./entities.ts";
import { unimplemented } from "./errors.ts";
import { type pb, TaskHubSidecarServiceService } from "./proto.ts";
import type { Reads } from "./reads.ts";
import { type CallGate, type Handler, toServiceError, unary } from "./rpc.ts";
import { entityMethods } from "./service-entities.ts";
import { streamHistory } from "./service-history.ts";
import { managementMethods } from "./service-management.ts";
import { queryMethods } from "./service-query.ts";
import { serveWorker, workerMethods } from "./service-worker.ts";
import type { Store } from "./store.ts";
import type { Turns } from "./turns.ts";
import type { WorkQueue } from "./work-queue.ts";

export interface ServiceParts {
  readonly engine: Engine;
  readonly reads: Reads;
  readonly turns: Turns;
  readonly entities: Entities;
  readonly queue: WorkQueue;
  readonly store: Store;
  readonly gate: CallGate;
}

/** The SDK's definition, except that work items and histories come serialized: what is stored is never parsed here. */
export const serviceDefinition: ServiceDefinition = {
  ...TaskHubSidecarServiceService,
  getWorkItems: {
    ...TaskHubSidecarServiceService.getWorkItems,
    responseSerialize: (workItem: Buffer) => workItem,
  },
  streamInstanceHistory: {
    ...TaskHubSidecarServiceService.streamInstanceHistory,
    responseSerialize: (chunk: Buffer) => chunk,
  },
};

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
      hub,
      call as ServerWritableStream<pb.StreamInstanceHistoryRequest, Buffer>,
    ),
  );
  return service;
}

function streaming(
  method: string,
  gate: CallGate,
  serve: (hub: number, call: ServerWritableStream<unknown, unknown>) => void | Promise<void>,
): handleServerStreamingCall<unknown, unknown> {
  return (call) => {
    const run = async () => serve(gate.admit(call.metadata), call);
    run().catch((error: unknown) => call.emit("error", toServiceError(method, gate, error)));
  };
}
