import type * as Proto from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import { type Instance, toInstance } from "../instance.ts";
import type { Connection } from "./connection.ts";
import { createStub, type Stub, unary } from "./unary.ts";

/** Calls that stay open until an instance has ended. */
export interface CompletionCalls {
  /**
   * Resolves with the instance when it has ended, or `undefined` if there is none. It has no
   * deadline: the caller aborts it.
   * @throws SchedulerError
   */
  wait(id: string, signal: AbortSignal): Promise<Instance | undefined>;
  close(): void;
}

/** HTTP/2 carries about 100 calls at once on one connection; one more would wait in silence. */
const CALLS_PER_CHANNEL = 90;

/** Spreads open calls over as many connections as they need. */
export function createCompletionCalls(connection: Connection): CompletionCalls {
  const options = connection.for("waits");
  const channels: { readonly stub: Stub; calls: number }[] = [];

  const roomiest = () => {
    let channel = channels.find(({ calls }) => calls < CALLS_PER_CHANNEL);
    if (!channel) {
      channel = { stub: createStub(options), calls: 0 };
      channels.push(channel);
    }
    return channel;
  };

  return {
    async wait(id, signal) {
      const channel = roomiest();
      const request = new pb.GetInstanceRequest();
      request.setInstanceid(id);
      request.setGetinputsandoutputs(true);
      channel.calls += 1;
      try {
        const response = await unary<Proto.GetInstanceRequest, Proto.GetInstanceResponse>(
          "WaitForInstanceCompletion",
          channel.stub.waitForInstanceCompletion.bind(channel.stub),
          request,
          options,
          { operationId: id, signal },
        );
        const state = response.getExists() ? response.getOrchestrationstate() : undefined;
        return state && toInstance(id, state);
      } finally {
        channel.calls -= 1;
      }
    },
    close() {
      for (const { stub } of channels) stub.close();
    },
  };
}
