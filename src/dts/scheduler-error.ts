import { type ServiceError, status } from "@grpc/grpc-js";

/** What went wrong, in the words a caller decides by. */
export type SchedulerErrorKind =
  /** No answer: not reachable, or none within the deadline. */
  | "unavailable"
  /** It answered that it has too much to do. */
  | "throttled"
  /** It does not accept our credentials, or not for this task hub. */
  | "refused"
  | "already-exists"
  | "not-found"
  | "invalid"
  /** It does not know this call. */
  | "unsupported"
  /** Anything else; the details are for the log. */
  | "failed";

const KINDS: Partial<Record<status, SchedulerErrorKind>> = {
  [status.UNAVAILABLE]: "unavailable",
  [status.DEADLINE_EXCEEDED]: "unavailable",
  [status.CANCELLED]: "unavailable",
  [status.RESOURCE_EXHAUSTED]: "throttled",
  [status.UNAUTHENTICATED]: "refused",
  [status.PERMISSION_DENIED]: "refused",
  [status.ALREADY_EXISTS]: "already-exists",
  [status.NOT_FOUND]: "not-found",
  [status.INVALID_ARGUMENT]: "invalid",
  [status.UNIMPLEMENTED]: "unsupported",
};

/** A call to the scheduler that failed. Its message is for the log, never for a client. */
export class SchedulerError extends Error {
  override readonly name = "SchedulerError";
  readonly kind: SchedulerErrorKind;

  constructor(rpc: string, cause: unknown) {
    const code = (cause as Partial<ServiceError> | undefined)?.code;
    const known = typeof code === "number" ? KINDS[code] : undefined;
    super(`${rpc}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.kind = known ?? "failed";
  }
}
