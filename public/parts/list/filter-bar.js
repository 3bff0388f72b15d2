import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { STATUS_NAMES, statusOf } from "../status.js";

/**
 * Which operations a list shows, as its address says it.
 *
 * @typedef {import("../../client/client.js").OperationStatus} OperationStatus
 * @typedef {{ status: OperationStatus | undefined, name: string, prefix: string, tag: string }} Filter
 * @typedef {(change: Partial<Filter>, how: "push" | "replace") => void} SetFilter
 */

const TYPING_PAUSE_MS = 300;
/** Names that are suggested. */
const MOST_NAMES = 50;

/** @type {Filter} */
export const NO_FILTER = { status: undefined, name: "", prefix: "", tag: "" };

/** @param {URLSearchParams} query @returns {Filter} */
export function filterOf(query) {
  const given = query.getAll("status");
  const status = STATUS_NAMES.find((each) => given.includes(each));
  const [name, prefix, tag] = ["name", "prefix", "tag"].map((key) => query.get(key) ?? "");
  return { ...NO_FILTER, status, name: name ?? "", prefix: prefix ?? "", tag: tag ?? "" };
}

/** What an address asks of the status that the list does not show. @param {URLSearchParams} query */
export function unusedOf(query) {
  const given = query.getAll("status").filter(Boolean);
  /** @type {readonly string[]} */
  const known = STATUS_NAMES;
  const unknown = given.find((each) => !known.includes(each));
  if (unknown !== undefined) {
    return `Unknown status in the address: "${unknown.slice(0, 100)}". It can be ${known.join(", ")}.`;
  }
  return new Set(given).size > 1
    ? "The address has several statuses. The list shows one at a time."
    : "";
}

/** @param {Partial<Filter>} filter */
export function queryOf(filter) {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(filter)) if (value) query.set(key, value);
  return query;
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let typing;

/**
 * @param {Filter} filter
 * @param {import("../../app/feed.js").Feed} feed
 * @param {SetFilter} setFilter
 * @param {string} note what is wrong with the address
 */
export function filterBar(filter, feed, setFilter, note) {
  const { rows, older } = feed;
  /** @type {Map<string, number>} */
  const counts = new Map();
  /** @type {Set<string>} */
  const names = new Set();
  for (const { status, name } of rows) {
    counts.set(status, (counts.get(status) ?? 0) + 1);
    if (names.size < MOST_NAMES) names.add(name);
  }
  const more = older === "complete" ? "" : "+";
  const ofAll = more ? ` of the newest ${rows.length.toLocaleString("en")}` : "";

  const chip = (/** @type {OperationStatus} */ status) => {
    const { label, sign, kind } = statusOf(status);
    const pressed = filter.status === status;
    const count = counts.get(status) ?? 0;
    const orMore = feed.hasAll(status) ? "" : "+";
    return html`<button type="button" class="chip ${kind}" aria-pressed=${pressed} title=${`${count}${orMore} ${label}${ofAll}`}
      @click=${() => setFilter({ status: pressed ? undefined : status }, "push")}>
      <span aria-hidden="true">${sign}</span>${label}<span class="number">${count.toLocaleString("en")}${orMore}</span>
    </button>`;
  };

  const onType = (/** @type {Event} */ { currentTarget }) => {
    const { name, value } = /** @type {HTMLInputElement} */ (currentTarget);
    clearTimeout(typing);
    typing = setTimeout(() => setFilter({ [name]: value.trim() }, "replace"), TYPING_PAUSE_MS);
  };
  const field = (
    /** @type {"name" | "prefix" | "tag"} */ name,
    /** @type {string} */ label,
    /** @type {string} */ hint,
  ) =>
    html`<label>${label}<input name=${name} .defaultValue=${filter[name]} placeholder=${hint} list=${name === "name" ? "seen-names" : nothing} autocomplete="off" spellcheck="false" @input=${onType} /></label>`;

  return html`<form class="filters" role="search" aria-label="Filter" @submit=${(/** @type {Event} */ event) => event.preventDefault()}>
    <div class="chips" role="group" aria-label="Status">${STATUS_NAMES.map(chip)}</div>
    ${note ? html`<p class="notice">${note}</p>` : nothing}
    <div class="fields">
      ${field("name", "Name", "any")} ${field("prefix", "Id begins with", "any")} ${field("tag", "Tag", "key:value")}
      <datalist id="seen-names">${[...names].sort().map((name) => html`<option value=${name}></option>`)}</datalist>
    </div>
  </form>`;
}
