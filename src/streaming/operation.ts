import type { Instance, RuntimeStatus } from "../dts/instance.ts";
import { type Cursor, cursorOf, isTerminal } from "./cursor.ts";

/** `Completed` and `Failed` keep the casing of the sample's API, whose clients compare them. */
export type OperationStatus =
  | "PENDING"
  | "RUNNING"
  | "SUSPENDED"
  | "Completed"
  | "Failed"
  | "TERMINATED"
  | "CANCELED";

/** One state of one operation: what was read, what a client sees, and where it stands. Immutable. */
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

const SHOWN_AS: Record<RuntimeStatus, OperationStatus> = {
  PENDING: "PENDING",
  RUNNING: "RUNNING",
  CONTINUED_AS_NEW: "RUNNING",
  SUSPENDED: "SUSPENDED",
  COMPLETED: "Completed",
  FAILED: "Failed",
  TERMINATED: "TERMINATED",
  CANCELED: "CANCELED",
};

/**
 * The operation that `instance` is at this moment.
 * @param seen a cursor that its viewers have passed: a PENDING after it is a continue-as-new on its
 *   way, which some schedulers pass through, and shows as RUNNING
 */
export function toOperation(instance: Instance, seen?: Cursor): Operation {
  const cursor = cursorOf(instance);
  const continuing =
    instance.status === "PENDING" &&
    seen !== undefined &&
    seen.createdAtMs === cursor.createdAtMs &&
    seen.status !== "PENDING";
  const status = continuing ? "RUNNING" : SHOWN_AS[instance.status];
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
    // Its text is that of what is stored; who is shown RUNNING has passed PENDING for good.
    cursor: continuing ? { ...cursor, status: "RUNNING" } : cursor,
    status,
    terminal: isTerminal(instance.status),
    json,
    content,
    instance,
  };
}

/** The keys by which the documents of two states of an operation differ, but for its position. */
export function changedKeys(from: Operation, to: Operation): string[] {
  const keys = new Set([...to.content.keys(), ...from.content.keys()]);
  const changed = [...keys].filter((key) => from.content.get(key) !== to.content.get(key));
  const anew = from.cursor.createdAtMs !== to.cursor.createdAtMs;
  return anew ? ["created_at", ...changed] : changed;
}

/**
 * JSON that somebody else wrote, untouched, so that no number loses a digit on its way. A line break
 * in it can only be white space between tokens, and would end an SSE field. What is not JSON
 * becomes a string.
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
