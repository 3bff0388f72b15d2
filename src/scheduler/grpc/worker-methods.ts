/** The gRPC methods that workers call: a stream of work items, and completions. */

import type { ServerWritableStream } from "@grpc/grpc-js";
import type { WorkKind } from "../dispatch/work-item.ts";
import type { WorkQueue } from "../dispatch/work-queue.ts";
import { WorkerStream } from "../dispatch/worker-stream.ts";
import type { Activities } from "../engine/activities.ts";
import type { Entities } from "../engine/entities.ts";
import type { Turns } from "../engine/turns.ts";
import { Empty, pb } from "../protocol/proto.ts";
import { staleToken } from "../protocol/status-errors.ts";
import { checkFilters } from "../protocol/validation.ts";
import type { TaskHub } from "../storage/task-hubs.ts";

const MAX_LABEL_LENGTH = 200;

export function workerMethods(
  turns: Turns,
  activities: Activities,
  entities: Entities,
  queue: WorkQueue,
) {
  const abandon = (token: string, kind: WorkKind): void => {
    const lease = queue.settle(token, kind);
    if (!lease) throw staleToken();
    queue.requeueLater(lease);
  };
  return {
    /** Workers call it to see whether the scheduler is reachable. */
    hello: () => new Empty(),

    completeOrchestratorTask: async (response: pb.OrchestratorResponse) => {
      await turns.complete(response);
      return new pb.CompleteTaskResponse();
    },

    completeActivityTask: async (response: pb.ActivityResponse) => {
      await activities.complete(response);
      return new pb.CompleteTaskResponse();
    },

    completeEntityTask: async (result: pb.EntityBatchResult) => {
      await entities.complete(result);
      return new pb.CompleteTaskResponse();
    },

    abandonTaskEntityWorkItem: (request: pb.AbandonEntityTaskRequest) => {
      abandon(request.getCompletiontoken(), "entity");
      return new pb.AbandonEntityTaskResponse();
    },

    abandonTaskOrchestratorWorkItem: (request: pb.AbandonOrchestrationTaskRequest) => {
      abandon(request.getCompletiontoken(), "turn");
      return new pb.AbandonOrchestrationTaskResponse();
    },

    abandonTaskActivityWorkItem: (request: pb.AbandonActivityTaskRequest) => {
      abandon(request.getCompletiontoken(), "activity");
      return new pb.AbandonActivityTaskResponse();
    },
  };
}

/** Serves one worker until it disconnects or the scheduler closes. */
export function serveWorker(
  queue: WorkQueue,
  hub: TaskHub,
  call: ServerWritableStream<pb.GetWorkItemsRequest, Buffer>,
): void {
  checkFilters(call.request.getWorkitemfilters());
  const stream = new WorkerStream(hub, call.request, call, workerLabel(call));
  call.on("drain", () => {
    stream.drained();
    queue.wake();
  });
  for (const event of ["cancelled", "close", "error"] as const) {
    call.on(event, () => queue.removeStream(stream));
  }
  queue.addStream(stream);
}

/** `host,pid,… at 127.0.0.1:5000`; not every SDK sends an id. */
function workerLabel(call: ServerWritableStream<pb.GetWorkItemsRequest, Buffer>): string {
  const [id] = [...call.metadata.get("workerid"), ...call.metadata.get("x-user-agent")];
  const peer = call.getPeer();
  return id === undefined ? peer : `${String(id).slice(0, MAX_LABEL_LENGTH)} at ${peer}`;
}
