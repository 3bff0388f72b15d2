/** The gRPC service: every method of the protocol and its handler. */
import type {
  handleServerStreamingCall,
  MethodDefinition,
  ServerWritableStream,
  ServiceDefinition,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type { WorkQueue } from "../dispatch/work-queue.ts";
import type { Activities } from "../engine/activities.ts";
import type { InstanceCommands } from "../engine/commands.ts";
import type { Entities } from "../engine/entities.ts";
import type { Reads } from "../engine/reads.ts";
import type { Turns } from "../engine/turns.ts";
import { type pb, TaskHubSidecarServiceService } from "../protocol/proto.ts";
import { unimplemented } from "../protocol/status-errors.ts";
import type { Store } from "../storage/store.ts";
import type { TaskHub } from "../storage/task-hubs.ts";
import { type CallGate, type Handler, toServiceError, unary } from "./calls.ts";
import { entityMethods } from "./entity-methods.ts";
import { streamHistory } from "./history-stream.ts";
import { managementMethods } from "./management-methods.ts";
import { queryMethods } from "./query-methods.ts";
import { boundRequest, OversizedRequest } from "./request-bounds.ts";
import { serveWorker, workerMethods } from "./worker-methods.ts";

export interface ServiceParts {
  readonly commands: InstanceCommands;
  readonly reads: Reads;
  readonly turns: Turns;
  readonly activities: Activities;
  readonly entities: Entities;
  readonly queue: WorkQueue;
  readonly store: Store;
  readonly gate: CallGate;
}

/** The SDK's service definition with bounded requests. Work items and histories are sent as stored, without being parsed. */
export const serviceDefinition: ServiceDefinition = Object.fromEntries(
  Object.entries<MethodDefinition<unknown, unknown>>(TaskHubSidecarServiceService).map(
    ([method, definition]) => {
      const bounded = boundRequest(method, definition);
      const sendsBytes = method === "getWorkItems" || method === "streamInstanceHistory";
      return [method, sendsBytes ? { ...bounded, responseSerialize: asBytes } : bounded];
    },
  ),
);

function asBytes(message: unknown): Buffer {
  return message as Buffer;
}

export function createService(parts: ServiceParts): UntypedServiceImplementation {
  const { commands, reads, turns, activities, entities, queue, store, gate } = parts;
  const service: UntypedServiceImplementation = {};
  for (const [method, { path }] of Object.entries(serviceDefinition)) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    service[method] = unary(name, gate, () => {
      throw unimplemented(name);
    });
  }
  const handlers = {
    ...managementMethods(commands, reads),
    ...queryMethods(commands, reads, store),
    ...entityMethods(entities, reads, store),
    ...workerMethods(turns, activities, entities, queue),
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
      if (call.request instanceof OversizedRequest) throw call.request.error;
      await serve(hub, call);
    };
    run().catch((error: unknown) => call.emit("error", toServiceError(method, gate, error)));
  };
}
