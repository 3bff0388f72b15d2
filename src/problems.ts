import { SchedulerError, type SchedulerErrorKind } from "./dts/scheduler-error.ts";

/** Prefix of every problem's `type`. A name, not an address: nothing needs to answer there. */
export const PROBLEM_TYPE_BASE = "urn:dts-push:problem:";

/**
 * Every kind of problem, as the last part of its `type`. Part of the API: a slug never changes meaning.
 * PROTOCOL.md, section 3, and api/schemas/problem-table.ts say what each means.
 */
export type ProblemSlug =
  | "authentication-unavailable"
  | "bad-message"
  | "bad-request"
  | "body-too-large"
  | "caller-limit"
  | "descriptors-exhausted"
  | "draining"
  | "duplicate-subscription"
  | "feed-truncated"
  | "forbidden"
  | "headers-too-large"
  | "history-not-kept"
  | "history-unavailable"
  | "host-not-allowed"
  | "idempotency-key-reused"
  | "internal"
  | "invalid-body"
  | "invalid-operation-id"
  | "invalid-query"
  | "invalid-request"
  | "invalid-url"
  | "message-too-large"
  | "method-not-allowed"
  | "no-subscription"
  | "not-found"
  | "operation-exists"
  | "operation-gone"
  | "operation-not-found"
  | "origin-not-allowed"
  | "other-caller"
  | "overloaded"
  | "rate-limited"
  | "request-timeout"
  | "sample-off"
  | "scheduler-access-denied"
  | "scheduler-rejected"
  | "scheduler-throttled"
  | "scheduler-unavailable"
  | "scheduler-unsupported"
  | "task-hub-not-found"
  | "too-many-histories"
  | "too-many-feeds"
  | "too-many-lists"
  | "too-many-purges"
  | "too-many-subscriptions"
  | "unauthenticated"
  | "unknown-subscription"
  | "unsupported-media-type"
  | "upgrade-required"
  | "values-rejected"
  | "wrong-state";

/** A problem document. @see https://www.rfc-editor.org/rfc/rfc9457 */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** What happened and what to do, for the reader of the answer. */
  readonly detail: string;
  readonly [member: string]: unknown;
}

const TITLES: Record<number, string> = {
  200: "OK",
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  406: "Not Acceptable",
  408: "Request Timeout",
  409: "Conflict",
  412: "Precondition Failed",
  413: "Content Too Large",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  416: "Range Not Satisfiable",
  421: "Misdirected Request",
  422: "Unprocessable Content",
  426: "Upgrade Required",
  429: "Too Many Requests",
  431: "Request Header Fields Too Large",
  500: "Internal Server Error",
  501: "Not Implemented",
  502: "Bad Gateway",
  503: "Service Unavailable",
};

export interface ProblemOptions {
  readonly retryAfterS?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Everything else is a member of the document. */
  readonly [member: string]: unknown;
}

/** An error that clients see. Everything in it is public. */
export class ProblemError extends Error {
  override readonly name: string = "ProblemError";
  readonly slug: ProblemSlug;
  readonly status: number;
  readonly members: Readonly<Record<string, unknown>>;
  /** Seconds after which a repetition may succeed; sent as `Retry-After`. */
  readonly retryAfterS: number | undefined;
  /** Further headers of the answer. */
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    slug: ProblemSlug,
    status: number,
    detail: string,
    { retryAfterS, headers = {}, ...members }: ProblemOptions = {},
    cause?: unknown,
  ) {
    super(detail, { cause });
    this.slug = slug;
    this.status = status;
    this.members = members;
    this.retryAfterS = retryAfterS;
    this.headers = headers;
  }

  toProblem(): Problem {
    return {
      type: PROBLEM_TYPE_BASE + this.slug,
      title: TITLES[this.status] ?? "Error",
      status: this.status,
      detail: this.message,
      ...this.members,
    };
  }
}

export class InvalidOperationIdError extends ProblemError {
  constructor() {
    super(
      "invalid-operation-id",
      400,
      "An operation id is 1 to 100 printable ASCII characters and does not start with '@'.",
    );
  }
}

export class OperationNotFoundError extends ProblemError {
  constructor(id: string) {
    super("operation-not-found", 404, `Operation ${id} not found`, { operation_id: id });
  }
}

/** An operation was purged while it was watched. */
export class OperationGoneError extends ProblemError {
  constructor(id: string) {
    super("operation-gone", 404, `Operation ${id} was purged`, { operation_id: id });
  }
}

/** This process is shutting down and must get no more clients. */
export class DrainingError extends ProblemError {
  constructor() {
    super("draining", 503, "This replica is shutting down. Use another one.", { retryAfterS: 5 });
  }
}

/** Connections are being refused for want of file descriptors. */
export class DescriptorsExhaustedError extends ProblemError {
  constructor() {
    const detail =
      "This replica is out of file descriptors and refuses connections. Use another one.";
    super("descriptors-exhausted", 503, detail, { retryAfterS: 5 });
  }
}

/** Nothing is started here: the server only shows operations that other programs start. */
export class SampleOffError extends ProblemError {
  constructor() {
    const detail =
      "This server runs with SAMPLE=off: it does not start the sample's operations, it only shows " +
      "the operations that other programs start.";
    super("sample-off", 404, detail);
  }
}

const REPEAT_LATER =
  "A request may be repeated after the time in Retry-After; a stream stays open, and continues by itself.";
const OPERATOR =
  "Its operator has to change that; a stream stays open, and continues by itself then.";

interface SchedulerProblem {
  readonly slug: ProblemSlug;
  readonly status: number;
  readonly detail: string;
  readonly retryAfterS?: number;
}

const UNAVAILABLE: SchedulerProblem = {
  slug: "scheduler-unavailable",
  status: 503,
  detail: `The scheduler does not answer at present. ${REPEAT_LATER}`,
  retryAfterS: 5,
};

/** The problem for a failed call to the scheduler, by the kind of failure. */
const SCHEDULER_PROBLEMS: Record<SchedulerErrorKind, SchedulerProblem> = {
  unavailable: UNAVAILABLE,
  failed: UNAVAILABLE,
  throttled: {
    slug: "scheduler-throttled",
    status: 503,
    detail: `The scheduler accepts no more requests at present. ${REPEAT_LATER}`,
    retryAfterS: 15,
  },
  refused: {
    slug: "scheduler-access-denied",
    status: 502,
    detail: `The scheduler does not accept the credentials of this server. ${OPERATOR}`,
    retryAfterS: 60,
  },
  "not-found": {
    slug: "task-hub-not-found",
    status: 502,
    detail: `The scheduler does not know the task hub of this server. ${OPERATOR}`,
    retryAfterS: 60,
  },
  invalid: {
    slug: "scheduler-rejected",
    status: 502,
    detail: "The scheduler rejects this request. Repeating it unchanged does not help.",
  },
  unsupported: {
    slug: "scheduler-unsupported",
    status: 501,
    detail: "The scheduler does not implement what this request needs.",
  },
  "wrong-state": {
    slug: "wrong-state",
    status: 409,
    detail: "The operation's present state does not allow this request.",
  },
  "already-exists": {
    slug: "operation-exists",
    status: 409,
    detail: "There is such an operation already.",
  },
};

/** A call to the scheduler failed. The cause is for the log, clients see its kind only. */
export class SchedulerProblemError extends ProblemError {
  constructor(cause?: unknown, members: Record<string, unknown> = {}) {
    const kind = cause instanceof SchedulerError ? cause.kind : "unavailable";
    const { slug, status, detail, retryAfterS } = SCHEDULER_PROBLEMS[kind];
    super(slug, status, detail, { ...(retryAfterS && { retryAfterS }), ...members }, cause);
  }
}

/** The scheduler rejects what a client has sent: it has limits of its own. */
export class ValuesRejectedError extends ProblemError {
  constructor(cause: unknown) {
    const detail =
      "The scheduler rejects a value of this request: a name, a version, a tag, a date or a payload is " +
      "not one that it can store.";
    super("values-rejected", 422, detail, {}, cause);
  }
}

/** The history cannot be read. The status may still be. */
export class HistoryUnavailableError extends ProblemError {
  constructor() {
    const detail =
      "The history cannot be read at present. The stream stays open; the steps follow when it can.";
    super("history-unavailable", 503, detail);
  }
}

/** The scheduler does not know the call that reads a history. */
export class HistoryNotKeptError extends ProblemError {
  constructor() {
    super(
      "history-not-kept",
      501,
      "This scheduler has no histories to be read: there are no steps.",
    );
  }
}
