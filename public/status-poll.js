/**
 * The state of operations by one request each, for a tab without a stream.
 *
 * @import { Operation } from "./operation.js"
 */

import { parseJson } from "./json.js";

/** Longer than a working server ever takes. */
const TIMEOUT_MS = 15_000;

/**
 * @typedef {{ kind: "found", operation: Operation } | { kind: "unknown", id: string }
 *   | { kind: "problem", detail: string }} PollResult
 */

/**
 * @param {string[]} ids
 * @returns {Promise<PollResult[]>} rejects if the server cannot be reached
 */
export function pollStatus(ids) {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  return Promise.all(ids.map((id) => pollOne(id, signal)));
}

/**
 * @param {string} id
 * @param {AbortSignal} signal
 * @returns {Promise<PollResult>}
 */
async function pollOne(id, signal) {
  const response = await fetch(`/api/operations/${encodeURIComponent(id)}`, { signal });
  const text = await response.text();
  if (response.ok) return { kind: "found", operation: parseJson(text) };
  if (response.status === 404) return { kind: "unknown", id };
  return {
    kind: "problem",
    detail: problemDetail(text) ?? `The server answered ${response.status}.`,
  };
}

/**
 * @param {string} text a problem document, or a proxy's error page
 * @returns {string | undefined}
 */
function problemDetail(text) {
  try {
    return JSON.parse(text).detail;
  } catch {
    return undefined;
  }
}
