import type { Instance } from "../../dts/instance.ts";
import type { Cursor } from "./cursor.ts";
import { documentStatus, isTerminal, type OperationStatus } from "./operation-status.ts";

/** One state of one operation. */
export interface OperationState {
  readonly instance: Instance;
  readonly cursor: Cursor;
}

/** What a document includes beside the keys that it always has. */
export interface DocumentOptions {
  /** Default `true`. */
  readonly result?: boolean;
  /** The input, as serialised JSON. Default: none. */
  readonly input?: string | undefined;
  /** Of a failed operation, as text. Default: none. */
  readonly stack?: string | undefined;
}

/**
 * The operation document, one shape in poll, SSE, WebSocket and lists, as JSON of one line. PROTOCOL.md,
 * section 1, lists its keys. JSON of the orchestration itself is passed on digit for digit.
 */
export function documentOf(
  { instance, cursor }: OperationState,
  { result = true, input, stack }: DocumentOptions = {},
): string {
  const content = contentOf(instance, stack);
  return toJson({
    operation_id: JSON.stringify(instance.id),
    name: JSON.stringify(content.name),
    version: JSON.stringify(content.version),
    status: JSON.stringify(content.status),
    created_at: time(instance.createdAtMs),
    scheduled_at: time(content.scheduled_at),
    last_updated: time(instance.lastUpdatedAtMs),
    completed_at: time(content.completed_at),
    parent_id: JSON.stringify(content.parent_id),
    tags: content.tags,
    custom_status: verbatim(content.custom_status),
    input: verbatim(input),
    result: verbatim(result ? content.result : undefined),
    error: content.error,
    cursor: JSON.stringify(cursor.text),
  });
}

/** The keys by which the documents of two states of an operation differ, apart from their position. */
export function changedKeys(from: OperationState, to: OperationState): string[] {
  const [before, after] = [contentOf(from.instance), contentOf(to.instance)];
  const keys = Object.keys(after) as (keyof Content)[];
  const changed = keys.filter((key) => before[key] !== after[key]);
  const restarted = from.cursor.createdAtMs !== to.cursor.createdAtMs;
  return restarted ? ["created_at", ...changed] : changed;
}

/** The parts of a document that are not its position, as they are stored; `undefined` where absent. */
interface Content {
  readonly name: string;
  readonly version: string | undefined;
  readonly status: OperationStatus;
  /** Epoch milliseconds. */
  readonly scheduled_at: number | undefined;
  readonly completed_at: number | undefined;
  readonly parent_id: string | undefined;
  /** JSON. */
  readonly tags: string | undefined;
  /** JSON, if the orchestration keeps to it. */
  readonly custom_status: string | undefined;
  readonly result: string | undefined;
  /** JSON. */
  readonly error: string | undefined;
}

function contentOf(instance: Instance, stack?: string): Content {
  const { name, version, parentId, tags, scheduledAtMs, completedAtMs } = instance;
  const { customStatus, output, failure } = instance;
  const status = documentStatus(instance);
  const { type = "Error", message = "" } = failure ?? {};
  return {
    name,
    version,
    status,
    scheduled_at: scheduledAtMs,
    completed_at: isTerminal(instance.status) ? completedAtMs : undefined,
    parent_id: parentId,
    tags: JSON.stringify(tags),
    custom_status: customStatus,
    result: status === "Completed" || status === "TERMINATED" ? output : undefined,
    error: status === "Failed" ? JSON.stringify({ type, message, stack }) : undefined,
  };
}

function time(epochMs: number | undefined): string | undefined {
  return epochMs === undefined ? undefined : `"${new Date(epochMs).toISOString()}"`;
}

/**
 * JSON of an orchestration, unchanged, so that no number loses a digit. A line break in it can only be
 * white space between tokens, and would end an SSE field. Text that is not JSON becomes a string.
 */
function verbatim(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  try {
    JSON.parse(text);
  } catch {
    return JSON.stringify(text);
  }
  return text.replace(/[\r\n]/g, " ");
}

/** An object of those members that have a value, each as JSON. */
function toJson(members: Record<string, string | undefined>): string {
  let json = "";
  for (const key in members) {
    const value = members[key];
    if (value !== undefined) json += `${json && ","}"${key}":${value}`;
  }
  return `{${json}}`;
}
