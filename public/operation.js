/**
 * Pure functions of an operation document.
 *
 * @typedef {object} Operation
 * @property {string} operation_id
 * @property {string} name of the orchestration
 * @property {string} status active: PENDING, RUNNING, SUSPENDED; terminal: Completed, Failed, TERMINATED, CANCELED
 * @property {string} created_at ISO 8601
 * @property {string} last_updated ISO 8601
 * @property {unknown} [custom_status] whatever the orchestration set: any JSON, from any worker
 * @property {unknown} [result]
 * @property {{ type: string, message: string }} [error]
 * @property {string} cursor `<version>.<created>.<updated>.…`
 *
 * @typedef {{ percent: number, message: string }} Progress
 */

import { formatJson, numberOf } from "./json.js";

const TERMINAL = new Set(["Completed", "Failed", "TERMINATED", "CANCELED"]);

/** @param {Operation} operation */
export function isTerminal(operation) {
  return TERMINAL.has(operation.status);
}

/**
 * Whether `next` is an older state than `shown`: an earlier time or, within one millisecond, an active
 * state after a terminal one. One stream never goes back, but a stream that replaces another can begin
 * with a state older than the last one of the other.
 * @param {Operation} next
 * @param {Operation} shown
 */
export function isOlder(next, shown) {
  const [nextTimes, shownTimes] = [times(next.cursor), times(shown.cursor)];
  return (
    nextTimes < shownTimes || (nextTimes === shownTimes && isTerminal(shown) && !isTerminal(next))
  );
}

/**
 * The ordered part of a cursor: both times have a fixed width, so comparing text compares time.
 * The hash after them distinguishes states, but does not order them.
 * @param {string} cursor
 */
function times(cursor) {
  return cursor.split(".").slice(1, 3).join(".");
}

/**
 * The progress an operation reports, if it follows our worker's convention of a `percent`. One that has
 * completed is at 100 %, whatever it reported last.
 * @param {Operation} operation
 * @returns {Progress | undefined}
 */
export function progressOf({ status, custom_status: custom }) {
  if (typeof custom !== "object" || custom === null || !("percent" in custom)) return undefined;
  const percent = numberOf(custom.percent);
  if (percent === undefined || !(percent >= 0 && percent <= 100)) return undefined;
  const message = "message" in custom && typeof custom.message === "string" ? custom.message : "";
  return { percent: status === "Completed" ? 100 : percent, message };
}

/**
 * Any JSON value as text: a string as it is, the rest as JSON. Numbers from `parseJson` are as on the wire.
 * @param {unknown} value
 * @param {number} [indent] spaces per level
 */
export function textOf(value, indent = 0) {
  return typeof value === "string" ? value : formatJson(value, indent);
}
