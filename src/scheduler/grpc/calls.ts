/** Carries a call from gRPC to a function and its outcome back: metadata, errors, status codes. */
import { type Metadata, type ServerUnaryCall, type sendUnaryData, status } from "@grpc/grpc-js";
import type { Caller } from "../engine/reads.ts";
import { invalid, SchedulerError } from "../protocol/status-errors.ts";
import type { SchedulerLogger } from "../scheduler-logger.ts";
import type { TaskHub } from "../storage/task-hubs.ts";

export interface CallContext {
  /** The task hub's id. */
  readonly hub: number;
  /** For a call that stores something: creates the task hub where need be. @returns its id */
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

/** What every method needs, whatever it does. */
export interface CallGate {
  readonly logger: SchedulerLogger;
  /** The task hub that a call names. @throws SchedulerError when the call cannot be served */
  readonly admit: (metadata: Metadata) => TaskHub;
  /** Takes note of an unexpected error. @returns what the caller is told */
  readonly failed: (error: unknown) => SchedulerError;
}

/** Takes the place of a request that is too large to be parsed. */
export class Oversized {
  readonly error: SchedulerError;
  constructor(bytes: number, limit: number) {
    this.error = invalid(`The request has ${bytes} bytes; the limit is ${limit}.`);
  }
}

/** Makes a grpc-js method of a handler. */
export function unary<Request, Response>(
  method: string,
  gate: CallGate,
  handler: Handler<Request, Response>,
) {
  return (call: ServerUnaryCall<Request, Response>, callback: sendUnaryData<Response>): void => {
    const answer = async () => {
      const hub = gate.admit(call.metadata);
      if (call.request instanceof Oversized) throw call.request.error;
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
    get gone() {
      return call.cancelled;
    },
    onGone(listener) {
      call.on("cancelled", listener);
      return () => call.off("cancelled", listener);
    },
  };
}

/** @returns the error as the caller may see it; the cause of an internal one is only logged */
export function toServiceError(
  method: string,
  { logger, failed }: CallGate,
  error: unknown,
): { code: status; details: string } {
  const known = error instanceof SchedulerError ? error : failed(error);
  if (known.code !== status.INTERNAL) return { code: known.code, details: known.message };
  logger.error({ err: known.cause ?? known, method }, "call failed unexpectedly");
  return {
    code: status.INTERNAL,
    details: `${method} failed. The scheduler's log has the cause.`,
  };
}
