/** The errors that callers see, each with its gRPC code and advice. */
import { status } from "@grpc/grpc-js";

/** An error whose message and code are meant for the caller. Any other error becomes INTERNAL. */
export class StatusError extends Error {
  override readonly name = "StatusError";
  readonly code: status;
  constructor(code: status, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export const instanceNotFound = (id: string): StatusError =>
  new StatusError(status.NOT_FOUND, `No orchestration instance has the id '${id.slice(0, 100)}'.`);

export const instanceExists = (id: string, state: string): StatusError =>
  new StatusError(
    status.ALREADY_EXISTS,
    `An orchestration instance with the id '${id}' already exists and is ${state}. ` +
      `Use another id, purge it, or send a reuse policy that allows ${state}.`,
  );

export const invalid = (message: string): StatusError =>
  new StatusError(status.INVALID_ARGUMENT, message);

export const precondition = (message: string): StatusError =>
  new StatusError(status.FAILED_PRECONDITION, message);

export const staleToken = (): StatusError =>
  precondition(
    "The lease of this completion token has ended. The result is discarded, " +
      "and the work item is sent to a worker again.",
  );

export const historyReplaced = (id: string): StatusError =>
  new StatusError(
    status.ABORTED,
    `The history of '${id}' was replaced or purged while it was being read. Read it again.`,
  );

export const unimplemented = (method: string): StatusError =>
  new StatusError(
    status.UNIMPLEMENTED,
    `The embedded scheduler does not implement ${method}. Use a Durable Task Scheduler for it.`,
  );

export const unknownTaskHub = (name: string, known: readonly string[]): StatusError =>
  new StatusError(
    status.NOT_FOUND,
    `There is no task hub '${name}'. This scheduler serves: ${known.join(", ")}.`,
  );

export const shuttingDown = (): StatusError =>
  new StatusError(status.UNAVAILABLE, "The scheduler is shutting down.");
