import { html } from "../vendor/lit-html/lit-html.js";

/**
 * Statuses as a reader sees them: one spelling, with a sign of its own, so that colour is never the only difference.
 *
 * @typedef {{ label: string, sign: string, kind: string }} Status
 * @type {Record<string, Status>}
 */
const STATUSES = {
  PENDING: { label: "Pending", sign: "○", kind: "pending" },
  RUNNING: { label: "Running", sign: "▶", kind: "running" },
  SUSPENDED: { label: "Suspended", sign: "‖", kind: "suspended" },
  Completed: { label: "Completed", sign: "✓", kind: "completed" },
  Failed: { label: "Failed", sign: "✕", kind: "failed" },
  TERMINATED: { label: "Terminated", sign: "■", kind: "stopped" },
  CANCELED: { label: "Canceled", sign: "⊘", kind: "stopped" },
};

/** All of them, active ones first. */
export const STATUS_NAMES = /** @type {import("../client/client.js").OperationStatus[]} */ (
  Object.keys(STATUSES)
);

/** @param {string} status @returns {Status} */
export function statusOf(status) {
  return STATUSES[status] ?? { label: status, sign: "?", kind: "running" };
}

/** @param {string} status */
export function statusBadge(status) {
  const { label, sign, kind } = statusOf(status);
  return html`<span class="badge ${kind}"><span aria-hidden="true">${sign}</span>${label}</span>`;
}

/** @param {{ status: string }} operation */
export function isActive({ status }) {
  return !["Completed", "Failed", "TERMINATED", "CANCELED"].includes(status);
}
