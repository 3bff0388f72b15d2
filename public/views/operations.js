import { announce } from "../app/announce.js";
import { urlOf } from "../app/base.js";
import { everySecond, perFrame } from "../app/clock.js";
import { Feed } from "../app/feed.js";
import { Known } from "../app/known.js";
import { changeQuery } from "../app/router.js";
import { describe, may } from "../app/server.js";
import { filterBar, filterOf, NO_FILTER, queryOf, unusedOf } from "../parts/list/filter-bar.js";
import { LINE_HEIGHT, operationRow, rowTitles } from "../parts/list/operation-row.js";
import { visibleRange, watchRange } from "../parts/list/rows.js";
import { selectionBar } from "../parts/list/selection-bar.js";
import { isActive, statusOf } from "../parts/status.js";
import { repeat } from "../vendor/lit-html/directives/repeat.js";
import { html, nothing, render } from "../vendor/lit-html/lit-html.js";
import { emptyState } from "./empty.js";

/**
 * @typedef {import("../client/client.js").OperationDocument} Operation
 * @typedef {import("../parts/list/filter-bar.js").Filter} Filter
 */

/** Rows that are drawn before it is known how many can be seen. */
const FIRST_ROWS = 40;

/**
 * All operations of the task hub, newest first, filtered by what the address says. The status is filtered here, so that
 * there are counts of all of them; name, prefix and tag by the server.
 * @param {import("../app/main.js").Stage} stage
 * @param {URLSearchParams} query
 */
export function showOperations({ root, signal, onState, onError }, query) {
  document.title = "Operations · dts-push";
  const filter = filterOf(query);
  let unused = unusedOf(query);
  /** @type {Set<string>} */
  const selected = new Set();
  /** @type {Feed | undefined} */
  let present;
  const known = new Known();
  signal.addEventListener("abort", () => present?.close());

  const follow = () => {
    present?.close();
    const { status, ...rest } = filter;
    const feed = new Feed(Object.fromEntries(queryOf(rest)), status, ({ before, operation }) => {
      if (before && operation && before.status !== operation.status && !isActive(operation)) {
        announce(`${operation.name}: ${statusOf(operation.status).label}.`);
      }
      known.take(feed.state);
      onState(feed.error === undefined ? feed.state : undefined);
      if (feed.error !== undefined) onError(feed.error);
      draw();
    });
    present = feed;
    feed.start();
    return feed;
  };

  /** @param {Partial<Filter>} change @param {"push" | "replace"} how */
  const setFilter = (change, how) => {
    Object.assign(filter, change);
    unused = "";
    changeQuery(queryOf(filter), how);
    selected.clear();
    if (Object.keys(change).every((key) => key === "status")) feed.setStatus(filter.status);
    else feed = follow();
    draw();
  };

  const page = () => {
    const { status } = filter;
    const rows = status ? feed.rows.filter((each) => each.status === status) : feed.rows;
    return html`
      <div class="head">
        <h1>Operations</h1>
        ${may("operations:start") ? html`<a class="button primary" href=${urlOf("start").href}>Start an operation</a>` : nothing}
      </div>
      ${filterBar(filter, feed, setFilter, unused)}
      ${feed.error === undefined ? nothing : html`<p class="notice bad" role="alert">${describe(feed.error)}</p>`}
      ${selected.size > 0 ? selectionBar(selected, feed, draw) : nothing}
      ${rows.length === 0 && feed.isLoaded && feed.older === "complete" ? empty() : table(rows)}
    `;
  };

  const empty = () => {
    if (queryOf(filter).size === 0) return emptyState();
    const showAll = () => setFilter(NO_FILTER, "push");
    return html`<p class="empty">No operation matches. <button type="button" @click=${showAll}>Show all</button></p>`;
  };

  /** @param {readonly Operation[]} rows */
  const table = (rows) => {
    const list = /** @type {HTMLElement | null} */ (root.querySelector(".rows"));
    const { first, last, rowHeight } = list
      ? visibleRange(list, rows.length)
      : { first: 0, last: Math.min(rows.length, FIRST_ROWS), rowHeight: LINE_HEIGHT };
    const visible = rows.slice(first, last);
    // What of all rows is needed for these.
    const lastSeen = visible.at(-1);
    feed.look(visible, lastSeen ? (filter.status ? feed.rows.indexOf(lastSeen) + 1 : last) : 0);
    if (last >= rows.length && feed.isLoaded && feed.older === "idle") void feed.loadOlder();
    const onSelect = (/** @type {string} */ id, /** @type {boolean} */ isSelected) => {
      if (isSelected) selected.add(id);
      else selected.delete(id);
      draw();
    };
    return html`<div role="table" aria-label="Operations" aria-rowcount=${rows.length + 1} class="table">
      ${rowTitles(rows, selected, draw)}
      <div role="rowgroup" class="rows" .style=${`--rows: ${rows.length}`}>
        ${repeat(
          visible,
          ({ operation_id }) => operation_id,
          (operation, index) =>
            operationRow(operation, first + index, rowHeight, known.untilMs, selected, onSelect),
        )}
      </div>
      <p class="quiet end">${endText(rows.length)}</p>
    </div>`;
  };

  /** @param {number} count */
  const endText = (count) => {
    if (feed.error !== undefined) return "";
    if (!feed.isLoaded && count === 0) return "Loading …";
    if (feed.older === "loading") return "Loading older operations …";
    if (feed.older === "failed") {
      return html`Older operations cannot be loaded.
        <button type="button" @click=${() => feed.loadOlderAgain()}>Try again</button>`;
    }
    if (feed.older === "idle") return "";
    return `${count.toLocaleString("en")} ${count === 1 ? "operation" : "operations"}`;
  };

  const draw = perFrame(() => render(page(), root), signal);
  let feed = follow();
  render(page(), root);
  watchRange(root, draw, signal);
  everySecond(draw, signal);
}
