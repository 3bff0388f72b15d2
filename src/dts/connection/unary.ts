import type { ClientUnaryCall, Metadata, ServiceError } from "@grpc/grpc-js";
import grpcPb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_grpc_pb.js";
import { observed } from "../calls.ts";
import { SchedulerError } from "../scheduler-error.ts";
import type { ConnectionOptions } from "./connection.ts";

/** The SDK's generated client: every RPC, with nothing hidden. */
export type Stub = InstanceType<typeof grpcPb.TaskHubSidecarServiceClient>;

type Unary<Request, Response> = (
  request: Request,
  metadata: Metadata,
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall;

/** The SDK's generated stub on one channel. Nothing is connected before its first call. */
export function createStub(options: ConnectionOptions): Stub {
  return new grpcPb.TaskHubSidecarServiceClient(
    options.hostAddress,
    options.credentials,
    options.options,
  );
}

/** How one call differs from others of its method. */
export interface UnaryOptions {
  /** The instance that it is about, for the log. */
  readonly operationId?: string;
  /** Aborting it cancels the call on the server too. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * One unary call as a promise.
 * @throws SchedulerError
 */
export function unary<Request, Response>(
  rpc: string,
  method: Unary<Request, Response>,
  request: Request,
  { metadataGenerator, ...observers }: ConnectionOptions,
  { operationId, signal }: UnaryOptions = {},
): Promise<Response> {
  return observed(observers, { rpc, operationId }, async () => {
    try {
      const metadata = await metadataGenerator();
      // Checked only now: it may have been aborted meanwhile, and nothing is to be sent then.
      signal?.throwIfAborted();
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
  });
}
