import type * as Proto from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import { createCommands, type SchedulerCommands } from "./commands.ts";
import { createCompletionCalls } from "./connection/completion-calls.ts";
import type { Connection } from "./connection/connection.ts";
import { Refusals } from "./connection/refusals.ts";
import { createStub, unary } from "./connection/unary.ts";
import { type HistoryEntry, readHistory } from "./history.ts";
import { type Instance, type InstanceRead, toInstance } from "./instance.ts";
import { type InstancePage, type InstanceQuery, toPage, toQueryRequest } from "./instance-query.ts";

/** One task hub, as the rest of the process uses it. All calls but `waitForCompletion` have deadlines. */
export interface SchedulerClient extends SchedulerCommands {
  /** The instance with its payloads, or `undefined` where there is none. @throws SchedulerError */
  getInstance(id: string): Promise<InstanceRead | undefined>;
  /** One page of instances with their payloads. @throws SchedulerError */
  queryInstances(query: InstanceQuery, signal?: AbortSignal): Promise<InstancePage>;
  /** The history from its first entry, in chunks; empty for an unknown instance. @throws SchedulerError */
  readHistory(id: string, signal?: AbortSignal): AsyncIterable<readonly HistoryEntry[]>;
  /** Stays open until the instance has ended, or `signal` is aborted. @throws SchedulerError */
  waitForCompletion(id: string, signal: AbortSignal): Promise<Instance | undefined>;
  /** Resolves when the scheduler answers for this task hub. @throws SchedulerError */
  ping(): Promise<void>;
  /** Closes the connections. Calls in flight fail. */
  close(): Promise<void>;
}

/** The id that `ping` reads. It does not exist: any answer shows that the scheduler answers. */
const PING_ID = "dts-push-readiness-probe";

/** All calls use the SDK's generated stub: the SDK's client hides cancellation, and some statuses. */
export function createSchedulerClient(connection: Connection): SchedulerClient {
  const reads = connection.for("reads");
  const stub = createStub(reads);
  const histories = connection.for("histories");
  const historyStub = createStub(histories);
  const completions = createCompletionCalls(connection);
  const { close: closeCommands, ...commands } = createCommands(connection);
  // By call: an identity may read and not query.
  const [refusedReads, refusedQueries] = [new Refusals(), new Refusals()];

  const read = (id: string) => {
    const request = new pb.GetInstanceRequest();
    request.setInstanceid(id);
    // Some schedulers treat custom status as a payload, so payloads are always requested.
    request.setGetinputsandoutputs(true);
    const about = { operationId: id };
    return refusedReads.attempt(() =>
      unary<Proto.GetInstanceRequest, Proto.GetInstanceResponse>(
        "GetInstance",
        stub.getInstance.bind(stub),
        request,
        reads,
        about,
      ),
    );
  };

  return {
    ...commands,

    async getInstance(id) {
      const response = await read(id);
      const state = response.getExists() ? response.getOrchestrationstate() : undefined;
      return state && toInstance(id, state);
    },

    async queryInstances(query, signal) {
      const response = await refusedQueries.attempt(() =>
        unary<Proto.QueryInstancesRequest, Proto.QueryInstancesResponse>(
          "QueryInstances",
          stub.queryInstances.bind(stub),
          toQueryRequest(query),
          reads,
          { signal },
        ),
      );
      return toPage(response);
    },

    readHistory: (id, signal) => readHistory(historyStub, histories, id, signal),

    waitForCompletion: (id, signal) => completions.wait(id, signal),

    async ping() {
      await read(PING_ID);
    },

    async close() {
      completions.close();
      stub.close();
      historyStub.close();
      closeCommands();
    },
  };
}
