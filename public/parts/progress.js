import { html, nothing } from "../vendor/lit-html/lit-html.js";
import { formatJson, numberOf } from "./json-text.js";

/**
 * What an operation says about itself in its custom status: `percent`, 0 to 100, draws a bar, and `message` is the line
 * beside it. Any other JSON is shown as it is.
 *
 * @typedef {import("../client/client.js").OperationDocument} Operation
 */

const MAX_MESSAGE = 300;

/**
 * A completed operation is at 100, whatever its last custom status was.
 * @param {Operation} operation
 * @returns {number | undefined}
 */
export function percentOf({ status, custom_status }) {
  if (status === "Completed") return 100;
  return percentIn(custom_status);
}

/** The line that says how it is, or why it failed. @param {Operation} operation */
export function messageOf(operation) {
  const { status, custom_status, error } = operation;
  if (status === "Failed" && error) return cut(error.message || error.type);
  if (custom_status === undefined) return "";
  if (typeof custom_status === "string") return cut(custom_status);
  const message = partsOf(custom_status)?.message;
  if (typeof message === "string") return cut(message);
  return percentIn(custom_status) === undefined ? cut(formatJson(custom_status)) : "";
}

/** @param {unknown} customStatus */
function percentIn(customStatus) {
  const percent = numberOf(partsOf(customStatus)?.percent);
  return percent !== undefined && percent >= 0 && percent <= 100 ? percent : undefined;
}

/** @param {unknown} customStatus @returns {Record<string, unknown> | undefined} */
function partsOf(customStatus) {
  const isObject = typeof customStatus === "object" && customStatus !== null;
  return isObject ? /** @type {Record<string, unknown>} */ (customStatus) : undefined;
}

/** @param {Operation} operation */
export function progressBar(operation) {
  const percent = percentOf(operation);
  if (percent === undefined) return nothing;
  const rounded = Math.floor(percent);
  return html`<span class="progress">
    <progress max="100" .value=${percent} aria-label="Progress">${rounded} %</progress>
    <span class="number">${rounded} %</span>
  </span>`;
}

/** @param {string} text */
function cut(text) {
  return text.length > MAX_MESSAGE ? `${text.slice(0, MAX_MESSAGE)}…` : text;
}
