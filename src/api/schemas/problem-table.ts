import { type Problem, ProblemError, type ProblemSlug } from "../../problems.ts";

/** What a problem means, for the documents. */
export interface ProblemEntry {
  readonly status: number;
  readonly meaning: string;
  /** An example of its `detail`. */
  readonly detail: string;
  /** Further members of the example. */
  readonly members?: Readonly<Record<string, unknown>>;
}

const REPEAT = "A request may be repeated after the time in Retry-After.";
const operation_id = "order-17";

/** Every problem that this server can answer or send. PROTOCOL.md, section 3, lists the same. */
export const PROBLEM_TABLE: Readonly<Record<ProblemSlug, ProblemEntry>> = {
  "authentication-unavailable": {
    status: 503,
    meaning: "the token's issuer does not answer, so that the token cannot be verified",
    detail: "The token's issuer does not answer, so that the token cannot be verified. Try again.",
  },
  "bad-message": {
    status: 400,
    meaning: "not a message of the WebSocket subprotocol; the connection is closed",
    detail: 'A message\'s "type" must be "subscribe", "unsubscribe", "auth" or "ping".',
  },
  "bad-request": {
    status: 400,
    meaning: "any other request that cannot be understood",
    detail: "The request cannot be understood.",
  },
  "body-too-large": {
    status: 413,
    meaning: "the body exceeds 16 KiB, or an input 1 MiB",
    detail: "The body is too large. This path accepts up to 16384 bytes.",
  },
  "caller-limit": {
    status: 429,
    meaning: "this caller has too many subscriptions at this server",
    detail:
      "This caller has as many subscriptions at this server as it may have. End some, or try later.",
  },
  "descriptors-exhausted": {
    status: 503,
    meaning: "this replica has no file descriptors left",
    detail: "This replica is out of file descriptors and refuses connections. Use another one.",
  },
  draining: {
    status: 503,
    meaning: "this replica is shutting down",
    detail: "This replica is shutting down. Use another one.",
  },
  "duplicate-subscription": {
    status: 409,
    meaning: "the `sub` is in use on this connection",
    detail: '"s1" is in use on this connection. Unsubscribe it first, or choose another name.',
  },
  "feed-truncated": {
    status: 200,
    meaning: "the feed carries only the newest operations; only in a `problem` event",
    detail:
      "The task hub holds more operations than the newest, up to 1000, which this feed carries.",
  },
  forbidden: {
    status: 403,
    meaning: "the credential does not permit this request",
    detail: "This credential does not permit this request: it needs operations:control.",
    members: { scope: "operations:control" },
  },
  "headers-too-large": {
    status: 431,
    meaning: "request line and headers exceed 16 KiB",
    detail: "The request line and headers exceed 16 KiB.",
  },
  "history-not-kept": {
    status: 501,
    meaning: "this scheduler has no histories that can be read",
    detail: "This scheduler has no histories to be read: there are no steps.",
  },
  "history-unavailable": {
    status: 503,
    meaning: "the history cannot be read at present; only in a `problem` event",
    detail:
      "The history cannot be read at present. The stream stays open; the steps follow when it can.",
  },
  "host-not-allowed": {
    status: 421,
    meaning: "this server does not answer for that `Host`",
    detail: "This server does not answer for the host example.com. ALLOWED_HOSTS adds names.",
  },
  "idempotency-key-reused": {
    status: 422,
    meaning: "the key has started an operation with another body, which `operation_id` names",
    detail:
      "This Idempotency-Key has started an operation with another input, version, tags or start_at. " +
      "Repeat a start with the same body, and use a new key for each new start.",
    members: { operation_id },
  },
  internal: {
    status: 500,
    meaning: "a fault of this server; it has been logged",
    detail: "Something went wrong here. It has been logged.",
  },
  "invalid-body": {
    status: 400,
    meaning: "the body is not what this request takes; the detail says why",
    detail: "The body is not valid JSON.",
  },
  "invalid-operation-id": {
    status: 400,
    meaning: "not an id that a scheduler could know",
    detail: "An operation id is 1 to 100 printable ASCII characters and does not start with '@'.",
  },
  "invalid-query": {
    status: 400,
    meaning: "an unknown parameter, or a value that is not possible; the detail says which",
    detail: '"wait" is not known here.',
  },
  "invalid-request": {
    status: 400,
    meaning: "not a valid HTTP request; the detail says why",
    detail: "A request has exactly one Host header.",
  },
  "invalid-url": {
    status: 400,
    meaning: "the path cannot be decoded",
    detail: "The path holds a percent-encoding that cannot be decoded.",
  },
  "message-too-large": {
    status: 413,
    meaning: "a WebSocket message exceeds 64 KiB; the connection is closed",
    detail: "A message is at most 65536 bytes.",
  },
  "method-not-allowed": {
    status: 405,
    meaning: "`Allow` lists the methods that are possible",
    detail: "PUT is not possible here. Use GET, HEAD.",
  },
  "no-subscription": {
    status: 408,
    meaning: "nothing was subscribed in time; the WebSocket is closed",
    detail: "Nothing was subscribed within 30 s.",
  },
  "not-found": {
    status: 404,
    meaning: "there is nothing at this path",
    detail: "There is nothing at this path. docs/PROTOCOL.md lists the paths.",
  },
  "operation-exists": {
    status: 409,
    meaning: "the `operation_id` of a start is in use",
    detail:
      "An operation order-17 exists. If this request repeats a start, it is the operation that was " +
      "started; otherwise choose another id.",
    members: { operation_id },
  },
  "operation-gone": {
    status: 404,
    meaning: "the operation was purged while it was watched",
    detail: "Operation order-17 was purged",
    members: { operation_id },
  },
  "operation-not-found": {
    status: 404,
    meaning: "there is no such operation, or the caller may not see it",
    detail: "Operation order-17 not found",
    members: { operation_id },
  },
  "origin-not-allowed": {
    status: 403,
    meaning: "a page of another origin may not do this",
    detail:
      "A page of another origin may not start operations or open WebSockets here. CORS_ORIGINS " +
      "lists the origins that may.",
  },
  "other-caller": {
    status: 403,
    meaning: "a WebSocket was given the credential of another caller; it goes on with its own",
    detail: "A connection stays with its caller. Open another one for this credential.",
  },
  overloaded: {
    status: 503,
    meaning: "this replica is overloaded: its event loop is late, or its memory is used up",
    detail: "This replica is overloaded. Try again after Retry-After, or use another one.",
  },
  "rate-limited": {
    status: 429,
    meaning:
      "too many starts and changes by this caller, or invalid credentials of this address, in a minute",
    detail:
      "This caller may start and change operations 6000 times a minute. Try again after Retry-After.",
  },
  "request-timeout": {
    status: 408,
    meaning: "the request did not arrive in time",
    detail: "The request did not arrive in time.",
  },
  "sample-off": {
    status: 404,
    meaning: "this server only shows operations, and starts none of the sample",
    detail: "This server runs with SAMPLE=off: it does not start the sample's operations.",
  },
  "scheduler-access-denied": {
    status: 502,
    meaning: "the scheduler does not accept this server's credentials",
    detail: "The scheduler does not accept the credentials of this server.",
  },
  "scheduler-rejected": {
    status: 502,
    meaning: "the scheduler rejects the request",
    detail: "The scheduler rejects this request. Repeating it unchanged does not help.",
  },
  "scheduler-throttled": {
    status: 503,
    meaning: "the scheduler accepts no more requests at present",
    detail: `The scheduler accepts no more requests at present. ${REPEAT}`,
  },
  "scheduler-unavailable": {
    status: 503,
    meaning: "the scheduler does not answer",
    detail: `The scheduler does not answer at present. ${REPEAT}`,
  },
  "scheduler-unsupported": {
    status: 501,
    meaning: "the scheduler does not implement what the request needs",
    detail: "The scheduler does not implement what this request needs.",
  },
  "task-hub-not-found": {
    status: 502,
    meaning: "the scheduler does not know this server's task hub",
    detail: "The scheduler does not know the task hub of this server.",
  },
  "too-many-histories": {
    status: 503,
    meaning: "too many histories are being sent at this replica",
    detail: "This replica sends as many histories as it can. Try again after Retry-After.",
  },
  "too-many-feeds": {
    status: 429,
    meaning: "WebSocket: feeds of too many different prefixes are followed at this replica",
    detail: "Too many different prefixes are followed at this replica. Try later.",
  },
  "too-many-lists": {
    status: 503,
    meaning: "too many lists are being made at this replica",
    detail: "This replica makes as many lists as it can. Try again after Retry-After.",
  },
  "too-many-purges": {
    status: 503,
    meaning: "this replica is purging as much as it can",
    detail: "This replica purges as much as it can. Try again after Retry-After.",
  },
  "too-many-subscriptions": {
    status: 429,
    meaning: "too many subscriptions on one WebSocket, which is closed",
    detail: "A connection holds at most 200 subscriptions at a time.",
  },
  unauthenticated: {
    status: 401,
    meaning: "no credential, or one that is not valid or has expired; the detail says which",
    detail: "This needs a credential. Send one as Authorization: Bearer.",
  },
  "unknown-subscription": {
    status: 404,
    meaning: "no such subscription on this connection",
    detail: '"s1" is not subscribed on this connection.',
  },
  "unsupported-media-type": {
    status: 415,
    meaning: "only `application/json` is accepted",
    detail: "Send the body as JSON, with content-type: application/json.",
  },
  "upgrade-required": {
    status: 426,
    meaning: "this path speaks WebSocket",
    detail: "This path speaks WebSocket, subprotocol dts-push.v1. Connect with a ws:// URL.",
  },
  "values-rejected": {
    status: 422,
    meaning: "the scheduler cannot store a value of this request",
    detail:
      "The scheduler rejects a value of this request: a name, a version, a tag, a date or a payload is " +
      "not one that it can store.",
  },
  "wrong-state": {
    status: 409,
    meaning: "the operation's present state, `operation_status`, does not allow this",
    detail: "Operation order-17 is Completed. It can be suspended only while it is active.",
    members: { operation_id, operation_status: "Completed" },
  },
};

/** A problem document of this kind, as it may arrive. */
export function exampleProblem(slug: ProblemSlug): Problem {
  const { status, detail, members } = PROBLEM_TABLE[slug];
  return new ProblemError(slug, status, detail, members).toProblem();
}
