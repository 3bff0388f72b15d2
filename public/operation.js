/**
 * What can be said of an operation document without showing it. Pure functions.
 *
 * @typedef {object} Operation
 * @property {string} operation_id
 * @property {string} status PENDING, RUNNING or SUSPENDED; at the end Completed, Failed, TERMINATED or CANCELED
 * @property {string} created_at ISO 8601
 * @property {string} last_updated ISO 8601
 * @property {unknown} [custom_status] whatever the orchestration set: any JSON, from any worker
 * @property {unknown} [result]
 * @property {{ type: string, message: string }} [error]
 * @property {string} cursor `1.<created>.<updated>.<hash>`
 *
 * @typedef {{ percent: number, message: string }} Progress
 */

const TERMINAL = new Set(["Completed", "Failed", "TERMINATED", "CANCELED"]);

/** @param {Operation} operation */
export function isTerminal(operation) {
  return TERMINAL.has(operation.status);
}

/**
 * Whether `next` is a state from before `shown`: an earlier time or, in one and the same millisecond,
 * a life that has ended since. One stream never goes back, but where a second one takes over from the
 * first it can begin with a state that the first has left behind.
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
 * The part of a cursor that orders: both times have a fixed width, so comparing text compares time.
 * The hash after them tells states apart, but does not order them.
 * @param {string} cursor
 */
function times(cursor) {
  return cursor.split(".").slice(1, 3).join(".");
}

/**
 * The progress an operation reports, if it follows our worker's convention of a `percent`.
 * @param {Operation} operation
 * @returns {Progress | undefined}
 */
export function progressOf({ custom_status: status }) {
  if (typeof status !== "object" || status === null || !("percent" in status)) return undefined;
  const { percent } = status;
  if (typeof percent !== "number" || !(percent >= 0 && percent <= 100)) return undefined;
  const message = "message" in status && typeof status.message === "string" ? status.message : "";
  return { percent, message };
}

/**
 * Any JSON value as text: a string as it is, the rest as JSON.
 * @param {unknown} value
 * @param {number} [indent] spaces per level
 */
export function textOf(value, indent = 0) {
  return typeof value === "string" ? value : JSON.stringify(value, null, indent);
}
