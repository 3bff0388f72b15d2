/** Carries a call from gRPC to a function and its outcome back: metadata, errors, status codes. */
import { type Metadata, type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import { SchedulerError } from "./errors.ts";

/** What the scheduler needs of a logger; pino has it. */
export interface SchedulerLogger {
  debug(details: object, message: string): void;
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
}

/** A call in progress. `ended` aborts when the caller has gone or its deadline has passed. */
export interface CallContext {
  readonly hub: number;
  readonly ended: AbortSignal;
}

export type Handler<Request, Response> = (
  request: Request,
  context: CallContext,
) => Promise<Response> | Response;

const DEFAULT_TASK_HUB = "default";

export function taskHubName(metadata: Metadata): string {
  return String(metadata.get("taskhub")[0] ?? DEFAULT_TASK_HUB);
}

/** Makes a grpc-js method of a handler. */
export function unary<Request, Response>(
  method: string,
  logger: SchedulerLogger,
  hubOf: (metadata: Metadata) => number,
  handler: Handler<Request, Response>,
) {
  return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
    const abort = new AbortController();
    call.on("cancelled", () => abort.abort());
    const answer = async () => {
      const hub = hubOf(call.metadata);
      return handler(call.request, { hub, ended: abort.signal });
    };
    answer().then(
      (response) => callback(null, response),
      (error: unknown) => callback(toServiceError(method, logger, error)),
    );
  };
}

/** @returns the error as the caller may see it; what is unexpected is logged and kept to ourselves */
export function toServiceError(
  method: string,
  logger: SchedulerLogger,
  error: unknown,
): { code: status; details: string } {
  if (!(error instanceof SchedulerError)) {
    logger.error({ err: error, method }, "call failed unexpectedly");
    return {
      code: status.INTERNAL,
      details: `${method} failed. The scheduler's log has the cause.`,
    };
  }
  if (error.cause) logger.error({ err: error, method }, "call failed");
  return { code: error.code, details: error.message };
}
