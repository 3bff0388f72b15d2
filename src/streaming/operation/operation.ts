import type { Instance } from "../../dts/instance.ts";
import { type Cursor, cursorOf } from "./cursor.ts";
import { documentStatus, isTerminal, type OperationStatus } from "./operation-status.ts";

/** One state of one operation: what was read, what a client sees, and its position. Immutable. */
export interface Operation {
  readonly id: string;
  readonly cursor: Cursor;
  readonly status: OperationStatus;
  readonly terminal: boolean;
  /**
   * The operation document, one shape in poll, SSE and WebSocket, as JSON of one line:
   * `operation_id`, `status`, `created_at`, `last_updated` (ISO 8601 UTC with milliseconds),
   * `custom_status` if set, `result` with Completed and TERMINATED, `error: {type, message}` with
   * Failed, `cursor`. Made once for all who receive it.
   */
  readonly json: string;
  /** The parts of `json` a viewer would call its content: each key with its value as JSON. */
  readonly content: ReadonlyMap<string, string>;
  /** What it was made of. */
  readonly instance: Instance;
}

/** The operation that `instance` is at this moment. */
export function toOperation(instance: Instance): Operation {
  const cursor = cursorOf(instance);
  const status = documentStatus(instance);
  const { customStatus, output, failure } = instance;

  const content = new Map([["status", JSON.stringify(status)]]);
  if (customStatus !== undefined) content.set("custom_status", verbatim(customStatus));
  if (output !== undefined && (status === "Completed" || status === "TERMINATED")) {
    content.set("result", verbatim(output));
  }
  if (status === "Failed") {
    const { type = "Error", message = "" } = failure ?? {};
    content.set("error", JSON.stringify({ type, message }));
  }
  const { status: shown, ...rest } = Object.fromEntries(content);
  const json = toJson({
    operation_id: JSON.stringify(instance.id),
    status: shown ?? "",
    created_at: JSON.stringify(new Date(instance.createdAtMs)),
    last_updated: JSON.stringify(new Date(instance.lastUpdatedAtMs)),
    ...rest,
    cursor: JSON.stringify(cursor.text),
  });
  return {
    id: instance.id,
    cursor,
    status,
    terminal: isTerminal(cursor.status),
    json,
    content,
    instance,
  };
}

/** The keys by which the documents of two states of an operation differ, apart from their position. */
export function changedKeys(from: Operation, to: Operation): string[] {
  const keys = new Set([...to.content.keys(), ...from.content.keys()]);
  const changed = [...keys].filter((key) => from.content.get(key) !== to.content.get(key));
  const restarted = from.cursor.createdAtMs !== to.cursor.createdAtMs;
  return restarted ? ["created_at", ...changed] : changed;
}

/**
 * JSON of an orchestration, unchanged, so that no number loses a digit. A line break in it can only be
 * white space between tokens, and would end an SSE field. Text that is not JSON becomes a string.
 */
function verbatim(text: string): string {
  try {
    JSON.parse(text);
  } catch {
    return JSON.stringify(text);
  }
  return text.replace(/[\r\n]/g, " ");
}

function toJson(members: Record<string, string>): string {
  const parts = Object.entries(members).map(([key, value]) => `${JSON.stringify(key)}:${value}`);
  return `{${parts.join(",")}}`;
}
