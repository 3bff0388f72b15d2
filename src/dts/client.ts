import type { ClientUnaryCall, Metadata, ServiceError } from "@grpc/grpc-js";
import { TaskHubGrpcClient } from "@microsoft/durabletask-js";
import grpcPb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_grpc_pb.js";
import type * as Proto from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import type { Logger } from "pino";
import type { Connection, ConnectionOptions } from "./connection.ts";
import { type Instance, toInstance } from "./instance.ts";
import { createSdkLogger } from "./logger.ts";
import { SchedulerError } from "./scheduler-error.ts";

/** One task hub, as the rest of the process uses it. Every call has a deadline. */
export interface SchedulerClient {
  /** The instance with its payloads, or `undefined` where there is none. @throws SchedulerError */
  getInstance(id: string, signal?: AbortSignal): Promise<Instance | undefined>;
  /**
   * Starts an orchestration under `id`; `input` becomes JSON.
   * @throws SchedulerError `already-exists` where the id is taken
   */
  startOrchestration(name: string, input: unknown, id: string): Promise<void>;
  /** Resolves when the scheduler answers for this task hub. @throws SchedulerError */
  ping(): Promise<void>;
  /** Closes the connections. Calls in flight fail. */
  close(): Promise<void>;
}

type Stub = InstanceType<typeof grpcPb.TaskHubSidecarServiceClient>;
type Unary<Request, Response> = (
  request: Request,
  metadata: Metadata,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;

/** Asked for by `ping`: any answer will do, so an id that nobody uses. */
const PING_ID = "dts-push-readiness-probe";

/**
 * Commands go through the SDK's client. Reads use the SDK's generated stub: the client hides
 * cancellation, and cannot represent every status.
 */
export function createSchedulerClient(connection: Connection, logger: Logger): SchedulerClient {
  const reads = connection.for("reads");
  const stub = createStub(reads);
  const commands = new TaskHubGrpcClient({
    ...connection.for("commands"),
    logger: createSdkLogger(logger),
  });

  return {
    async getInstance(id, signal) {
      const request = new pb.GetInstanceRequest();
      request.setInstanceid(id);
      // Custom status is among the payloads on some schedulers, so they are always asked for.
      request.setGetinputsandoutputs(true);
      const response = await unary<Proto.GetInstanceRequest, Proto.GetInstanceResponse>(
        "GetInstance",
        stub.getInstance.bind(stub),
        request,
        reads,
        signal,
      );
      const state = response.getExists() ? response.getOrchestrationstate() : undefined;
      return state && toInstance(id, state);
    },

    async startOrchestration(name, input, id) {
      try {
        await commands.scheduleNewOrchestration(name, input, id);
      } catch (error) {
        throw new SchedulerError("StartInstance", error);
      }
    },

    async ping() {
      const request = new pb.GetInstanceRequest();
      request.setInstanceid(PING_ID);
      await unary("GetInstance", stub.getInstance.bind(stub), request, reads);
    },

    async close() {
      stub.close();
      // It closes its channel at once; what it would have us wait for after that is a fixed second.
      void commands.stop();
    },
  };
}

/** The SDK's generated stub on one channel. */
export function createStub(options: ConnectionOptions): Stub {
  return new grpcPb.TaskHubSidecarServiceClient(
    options.hostAddress,
    options.credentials,
    options.options,
  );
}

/** One unary call as a promise. Aborting `signal` cancels it on the server too. */
async function unary<Request, Response>(
  rpc: string,
  method: Unary<Request, Response>,
  request: Request,
  { metadataGenerator }: ConnectionOptions,
  signal?: AbortSignal,
): Promise<Response> {
  try {
    signal?.throwIfAborted();
    const metadata = await metadataGenerator();
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    const call = method(request, metadata, (error, response) =>
      error ? reject(error) : resolve(response),
    );
    const cancel = () => call.cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      return await promise;
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  } catch (error) {
    throw new SchedulerError(rpc, error);
  }
}
