import { type ServiceError, status } from "@grpc/grpc-js";

/** What went wrong, by what a caller can do about it. */
export type SchedulerErrorKind =
  /** An outage: not reachable, or no answer within the deadline. */
  | "unavailable"
  /** It answered that it has too much to do. */
  | "throttled"
  /** It does not accept our credentials, or not for this task hub, or we could not get any. */
  | "refused"
  | "already-exists"
  /** It knows no such task hub; to some calls it answers the same for an unknown instance. */
  | "not-found"
  /** It rejects the values of the request. */
  | "invalid"
  /** The instance is in a state that does not allow the request. */
  | "wrong-state"
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
  [status.FAILED_PRECONDITION]: "wrong-state",
  [status.UNIMPLEMENTED]: "unsupported",
};

/** The rest of a sentence that begins with "the scheduler". For logs and for the operator. */
const FAILURES: Record<SchedulerErrorKind, string> = {
  unavailable: "does not answer",
  throttled: "throttles this client",
  refused: "does not accept the credentials",
  "already-exists": "has such an instance already",
  "not-found": "has no such task hub",
  invalid: "rejects the request",
  "wrong-state": "does not allow it in the instance's state",
  unsupported: "does not implement the call",
  failed: "answers with an error",
};

/** There is no token to send. */
export class CredentialError extends Error {
  override readonly name = "CredentialError";
  constructor(cause: unknown) {
    super(`No token: ${messageOf(cause)}`, { cause });
  }
}

/** A call to the scheduler that failed. Its message is for the log, never for a client. */
export class SchedulerError extends Error {
  override readonly name = "SchedulerError";
  readonly kind: SchedulerErrorKind;

  constructor(rpc: string, cause: unknown) {
    super(`${rpc}: ${messageOf(cause)}`, { cause });
    this.kind = kindOf(cause);
  }
}

/** What the scheduler does, as in "the scheduler does not answer". */
export function describeFailure(error: unknown): string {
  return FAILURES[error instanceof SchedulerError ? error.kind : kindOf(error)];
}

function kindOf(cause: unknown): SchedulerErrorKind {
  if (cause instanceof CredentialError) return "refused";
  const code = (cause as Partial<ServiceError> | undefined)?.code;
  return (typeof code === "number" ? KINDS[code] : undefined) ?? "failed";
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
