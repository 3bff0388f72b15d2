import { ProblemError } from "../client/client.js";

/**
 * Operations that the server has said do not exist. A feed has no event for one that is purged (PROTOCOL.md, 4.2), so
 * a list that still has it leaves it out from then on.
 */

const MOST_IDS = 1000;

/** When it was said, in epoch milliseconds, by the id. @type {Map<string, number>} */
const gone = new Map();

/** Whether it says that an operation does not exist. @param {unknown} error */
export function saysGone(error) {
  return error instanceof ProblemError && /^operation-(not-found|gone)$/.test(error.slug);
}

/** @param {string} id */
export function markGone(id) {
  gone.set(id, Date.now());
  const [oldest] = gone.keys();
  if (gone.size > MOST_IDS && oldest !== undefined) gone.delete(oldest);
}

/** A later operation may have the same id. @param {import("../client/client.js").OperationDocument} operation */
export function isGone({ operation_id, created_at }) {
  const saidAt = gone.get(operation_id);
  return saidAt !== undefined && Date.parse(created_at) <= saidAt;
}
