/** Every error a caller may see, with its gRPC code and what to do about it. */
import { status } from "@grpc/grpc-js";

/** An error whose message and code are meant for the caller. Anything else becomes INTERNAL. */
export class SchedulerError extends Error {
  override readonly name = "SchedulerError";
  readonly code: status;
  constructor(code: status, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export const instanceNotFound = (id: string): SchedulerError =>
  new SchedulerError(
    status.NOT_FOUND,
    `No orchestration instance has the id '${id.slice(0, 100)}'.`,
  );

export const instanceExists = (id: string, state: string): SchedulerError =>
  new SchedulerError(
    status.ALREADY_EXISTS,
    `An orchestration instance with the id '${id}' already exists and is ${state}. ` +
      `Use another id, purge it, or send a reuse policy that allows ${state}.`,
  );

export const invalid = (message: string): SchedulerError =>
  new SchedulerError(status.INVALID_ARGUMENT, message);

export const precondition = (message: string): SchedulerError =>
  new SchedulerError(status.FAILED_PRECONDITION, message);

export const staleToken = (): SchedulerError =>
  precondition(
    "The lease behind this completion token has ended. The result is dropped, " +
      "and the work item has been, or will be, given out again.",
  );

export const historyReplaced = (id: string): SchedulerError =>
  new SchedulerError(
    status.ABORTED,
    `The history of '${id}' began anew, or was purged, while it was read. Read it again.`,
  );

export const unimplemented = (method: string): SchedulerError =>
  new SchedulerError(
    status.UNIMPLEMENTED,
    `The embedded scheduler does not implement ${method}. Use a Durable Task Scheduler for it.`,
  );

export const unknownTaskHub = (name: string, known: readonly string[]): SchedulerError =>
  new SchedulerError(
    status.NOT_FOUND,
    `There is no task hub '${name}'. This scheduler serves: ${known.join(", ")}.`,
  );

export const shuttingDown = (): SchedulerError =>
  new SchedulerError(status.UNAVAILABLE, "The scheduler is shutting down.");
