/** Turns a handler function into a gRPC method: metadata, errors and status codes. */
import { type Metadata, type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import type { Caller } from "../engine/reads.ts";
import { StatusError } from "../protocol/status-errors.ts";
import type { SchedulerLogger } from "../scheduler-logger.ts";
import type { TaskHub } from "../storage/task-hubs.ts";
import { OversizedRequest } from "./request-bounds.ts";

export interface CallContext {
  /** The task hub's id. */
  readonly hub: number;
  /** For a call that stores something: creates the task hub if it is new. @returns its id */
  readonly ensureHub: () => number;
  readonly caller: Caller;
}

export type Handler<Request, Response> = (
  request: Request,
  context: CallContext,
) => Promise<Response> | Response;

const DEFAULT_TASK_HUB = "default";

export function taskHubName(metadata: Metadata): string {
  return String(metadata.get("taskhub")[0] ?? DEFAULT_TASK_HUB);
}

/** What every method needs. */
export interface CallGate {
  readonly logger: SchedulerLogger;
  /** The task hub that a call names. @throws StatusError when the call cannot be served */
  readonly admit: (metadata: Metadata) => TaskHub;
  /** Reports an unexpected error. @returns the error for the caller */
  readonly failed: (error: unknown) => StatusError;
}

/** Makes a grpc-js method from a handler. */
export function unary<Request, Response>(
  method: string,
  gate: CallGate,
  handler: Handler<Request, Response>,
) {
  return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
    const answer = async () => {
      const hub = gate.admit(call.metadata);
      if (call.request instanceof OversizedRequest) throw call.request.error;
      return handler(call.request, {
        hub: hub.id,
        ensureHub: () => hub.ensure(),
        caller: callerOf(call),
      });
    };
    answer().then(
      (response) => callback(null, response),
      (error: unknown) => callback(toServiceError(method, gate, error)),
    );
  };
}

function callerOf(call: ServerUnaryCall<unknown, unknown>): Caller {
  return {
    get cancelled() {
      return call.cancelled;
    },
    onCancelled(listener) {
      call.on("cancelled", listener);
      return () => call.off("cancelled", listener);
    },
  };
}

/** @returns the error for the caller; the cause of an internal error is only logged */
export function toServiceError(
  method: string,
  { logger, failed }: CallGate,
  error: unknown,
): { code: status; details: string } {
  const known = error instanceof StatusError ? error : failed(error);
  if (known.code !== status.INTERNAL) return { code: known.code, details: known.message };
  logger.error({ err: known.cause ?? known, method }, "call failed unexpectedly");
  return {
    code: status.INTERNAL,
    details: `${method} failed. The scheduler's log has the cause.`,
  };
}
