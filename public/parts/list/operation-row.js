import { operationPath } from "../../app/router.js";
import { html } from "../../vendor/lit-html/lit-html.js";
import { messageOf, progressBar } from "../progress.js";
import { isActive, statusBadge, statusOf } from "../status.js";
import { ago, runningTime, timeAgo } from "../time.js";

/**
 * One operation in a list.
 * @typedef {import("../../client/client.js").OperationDocument} Operation
 */

/** Height of a row on a wide screen, in pixels, as style/views.css has it. */
export const LINE_HEIGHT = 56;
/** A worker that is there takes it sooner. */
const UNTAKEN_MS = 5000;

/**
 * @param {readonly Operation[]} rows
 * @param {Set<string>} selected
 * @param {() => void} onChange
 */
export function rowTitles(rows, selected, onChange) {
  const all = rows.length > 0 && selected.size === rows.length;
  const toggle = () => {
    selected.clear();
    if (!all) for (const { operation_id } of rows) selected.add(operation_id);
    onChange();
  };
  return html`<div role="rowgroup">
    <div role="row" class="row titles" aria-rowindex="1">
      <span role="columnheader" class="select"><input type="checkbox" aria-label="Select all that are loaded" .checked=${all} .indeterminate=${!all && selected.size > 0} @change=${toggle} /></span>
      <span role="columnheader">Status</span><span role="columnheader">Operation</span>
      <span role="columnheader">Progress</span><span role="columnheader" class="tags">Tags</span><span role="columnheader" class="right">Running time</span>
      <span role="columnheader" class="right">Created</span>
    </div>
  </div>`;
}

/**
 * @param {Operation} operation
 * @param {number} index
 * @param {number} rowHeight
 * @param {number} untilMs up to when it is known what it shows
 * @param {Set<string>} selected
 * @param {(id: string, isSelected: boolean) => void} onSelect
 */
export function operationRow(operation, index, rowHeight, untilMs, selected, onSelect) {
  const { operation_id: id, name, status, created_at, scheduled_at, tags } = operation;
  const untakenMs = status === "PENDING" ? untilMs - Date.parse(scheduled_at ?? created_at) : 0;
  const line =
    untakenMs < 0 && scheduled_at
      ? `starts ${ago(scheduled_at)}`
      : untakenMs > UNTAKEN_MS
        ? "No worker has taken it yet."
        : messageOf(operation);
  const toggle = (/** @type {Event} */ { currentTarget }) =>
    onSelect(id, /** @type {HTMLInputElement} */ (currentTarget).checked);
  return html`<div role="row" class="row" data-kind=${statusOf(status).kind} aria-rowindex=${index + 2} .style=${`transform: translateY(${index * rowHeight}px)`}>
    <span role="cell" class="select"><input type="checkbox" aria-label=${`Select ${id}`} .checked=${selected.has(id)} @change=${toggle} /></span>
    <span role="cell" class="status">${statusBadge(status)}</span>
    <span role="cell" class="what"><a href=${operationPath(id)}>${name || id}</a><code>${id}</code></span>
    <span role="cell" class="how">${progressBar(operation)}<span class="custom-status" title=${line}>${line}</span></span>
    <span role="cell" class="tags quiet">${tagsText(tags)}</span>
    <span role="cell" class="right number took">${status === "PENDING" ? "" : runningTime(operation, isActive(operation), untilMs)}</span>
    <span role="cell" class="right quiet">${timeAgo(created_at)}</span>
  </div>`;
}

/** @param {Operation["tags"]} tags */
function tagsText(tags) {
  return Object.entries(tags ?? {})
    .map(([key, value]) => `${key}: ${value}`)
    .join(", ");
}
