/** Shapes on the wire. docs/PROTOCOL.md defines them; clients ignore keys and types that they do not know. */

export type OperationStatus =
  | "PENDING"
  | "RUNNING"
  | "SUSPENDED"
  | "Completed"
  | "Failed"
  | "TERMINATED"
  | "CANCELED";

/** One state of an operation. @see PROTOCOL.md, section 1 */
export interface OperationDocument<Custom = unknown, Result = unknown> {
  readonly operation_id: string;
  /** Name of the orchestration. */
  readonly name: string;
  /** Treat a status that you do not know as active. */
  readonly status: OperationStatus;
  /** ISO 8601, UTC, as all times. */
  readonly created_at: string;
  readonly last_updated: string;
  readonly version?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly parent_id?: string;
  readonly scheduled_at?: string;
  readonly completed_at?: string;
  readonly custom_status?: Custom;
  readonly input?: unknown;
  /** With `Completed` and `TERMINATED`, if the orchestration returned something. */
  readonly result?: Result;
  /** With `Failed`. `stack` is there only with `include: "stack"`. */
  readonly error?: { readonly type: string; readonly message: string; readonly stack?: string };
  /** Position of this state: `after` of a later `watch` resumes behind it. */
  readonly cursor: string;
}

/** One entry of the durable history. @see PROTOCOL.md, section 4.3 */
export interface Step {
  /** Counts from 1, in stored order. */
  readonly seq: number;
  readonly kind: string;
  readonly name?: string;
  readonly at?: string;
  readonly duration_ms?: number;
  readonly status?: OperationStatus;
  /** The child's `operation_id`, with `sub_orchestration_…`. */
  readonly child_id?: string;
  /** The `seq` of the step that scheduled what this one completes. */
  readonly scheduled_seq?: number;
  readonly error?: { readonly type: string; readonly message: string };
  readonly input?: string;
  readonly output?: string;
  readonly truncated?: true;
}

/** @see https://www.rfc-editor.org/rfc/rfc9457 */
export interface Problem {
  /** `urn:dts-push:problem:<slug>` */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly [member: string]: unknown;
}

/** Which operations a feed or a list holds. Several values: any of the statuses and names, all of the tags. */
export interface OperationFilter {
  readonly status?: OperationStatus | readonly OperationStatus[];
  readonly name?: string | readonly string[];
  /** Beginning of the id. */
  readonly prefix?: string;
  /** `key:value` */
  readonly tag?: string | readonly string[];
}

/** What the server sends about a source, on whatever transport. */
export interface Message {
  readonly type: string;
  /** The position behind this message: the SSE id, or the `cursor` of a WebSocket frame. */
  readonly id?: string | undefined;
  readonly operation_id?: string;
  readonly operation?: OperationDocument;
  readonly problem?: Problem;
  readonly as_of?: string | null;
  readonly heartbeat_ms?: number;
  readonly reason?: string;
  readonly reconnect?: boolean;
  readonly retry_ms?: number;
  readonly [member: string]: unknown;
}

const TERMINAL: readonly string[] = ["Completed", "Failed", "TERMINATED", "CANCELED"];

/** Whether no change follows, unless the operation is restarted. */
export function isTerminal({ status }: Pick<OperationDocument, "status">): boolean {
  return TERMINAL.includes(status);
}

/** The answer to a start. */
export interface Started {
  readonly operation_id: string;
  readonly status_url: string;
  readonly events_url: string;
}

/** A page of a list. */
export interface OperationPage {
  readonly operations: readonly OperationDocument[];
  readonly next_page_token?: string;
}

/** A history as a document. */
export interface History {
  readonly operation_id: string;
  readonly execution_id: string;
  readonly steps: readonly Step[];
  /** `after` of `watchSteps` resumes behind the last of them. */
  readonly cursor: string;
}

/** What the credential is, and permits. @see PROTOCOL.md, section 7 */
export interface Caller {
  readonly caller: string;
  readonly authentication: string;
  readonly scopes: readonly string[];
  readonly operation_ids?: readonly string[];
  readonly expires_at?: string;
}
