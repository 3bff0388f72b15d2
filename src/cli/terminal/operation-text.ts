import type { OperationDocument, Step } from "../../../client/wire.ts";
import { durationText, printable } from "./text.ts";

/** Progress of an operation whose custom status has a `percent` of 0–100. */
export function percentOf({ custom_status }: OperationDocument): number | undefined {
  const { percent } = (custom_status ?? {}) as { percent?: unknown };
  return typeof percent === "number" && percent >= 0 && percent <= 100 ? percent : undefined;
}

/** What the orchestration says of itself, after its percentage. */
export function messageOf(operation: OperationDocument): string {
  const { custom_status } = operation;
  if (custom_status === undefined) return "";
  if (percentOf(operation) === undefined) return textOf(custom_status);
  const { message } = custom_status as { message?: unknown };
  return typeof message === "string" ? printable(message) : "";
}

/** Custom status as one line: `66% step 2 of 3`. */
export function progressText(operation: OperationDocument): string {
  const percent = percentOf(operation);
  const message = messageOf(operation);
  return percent === undefined ? message : `${Math.floor(percent)}% ${message}`.trimEnd();
}

/** What a terminal operation has returned, or why it failed. */
export function outcomeText({ result, error }: OperationDocument): string {
  if (error) return printable(`${error.type}: ${error.message}`);
  return result === undefined ? "" : textOf(result);
}

/** `4 activity_completed pack 1.0 s` */
export function stepText({ seq, kind, name, child_id, duration_ms, error }: Step): string {
  const parts = [String(seq), kind, name, child_id];
  if (duration_ms !== undefined) parts.push(durationText(duration_ms));
  if (error) parts.push(`${error.type}: ${error.message}`);
  return printable(parts.filter((part) => part !== undefined).join(" "));
}

function textOf(value: unknown): string {
  return printable(typeof value === "string" ? value : JSON.stringify(value));
}
