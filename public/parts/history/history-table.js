import { operationPath } from "../../app/router.js";
import { repeat } from "../../vendor/lit-html/directives/repeat.js";
import { html, nothing } from "../../vendor/lit-html/lit-html.js";
import { duration, exactTime } from "../time.js";

/** @typedef {import("../../client/client.js").Step} Step */

/** Steps that are drawn at first, and more with each press of the button. */
const ROWS = 200;

/** The history as a table, newest first. */
export class HistoryTable {
  #shown = ROWS;
  #onChange;

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  /**
   * @param {readonly Step[]} steps
   * @param {number | undefined} atMs moment of a replay, since the first step: what is later is dimmed
   */
  table(steps, atMs) {
    if (steps.length === 0) return html`<p class="quiet">No steps yet.</p>`;
    const startMs = Date.parse(steps[0]?.at ?? "");
    const older = steps.length - this.#shown;
    const showMore = () => {
      this.#shown += ROWS;
      this.#onChange();
    };
    return html`<div class="scroll" tabindex="0" role="region" aria-label="History">
        <table class="history">
          <thead><tr><th scope="col" class="right">#</th><th scope="col" class="right">After</th><th scope="col">Step</th><th scope="col">Name</th><th scope="col" class="right">Took</th></tr></thead>
          <tbody>${repeat(
            steps.slice(-this.#shown).reverse(),
            ({ seq }) => seq,
            (step) => row(step, startMs, atMs),
          )}</tbody>
        </table>
      </div>
      ${older > 0 ? html`<button type="button" class="more" @click=${showMore}>Show more of ${older.toLocaleString("en")} older steps</button>` : nothing}`;
  }
}

/** @param {Step} step @param {number} startMs @param {number | undefined} atMs */
function row({ seq, kind, name, at, duration_ms, error, child_id }, startMs, atMs) {
  const afterMs = at === undefined ? Number.NaN : Date.parse(at) - startMs;
  const isLater = atMs !== undefined && afterMs > atMs;
  return html`<tr class="${isLater ? "later" : ""} ${kind.startsWith("turn_") ? "turn" : ""}">
    <td class="right number quiet">${seq}</td>
    <td class="right number" title=${at ? exactTime(at) : ""}>${Number.isNaN(afterMs) ? "" : duration(afterMs)}</td>
    <td class=${kind.endsWith("failed") ? "bad-text" : ""}>${kind.replaceAll("_", " ")}</td>
    <td>
      ${child_id ? html`<a href=${operationPath(child_id)}>${name || child_id}</a>` : (name ?? "")}
      ${error ? html`<span class="bad-text">${error.type}: ${error.message}</span>` : nothing}
    </td>
    <td class="right number">${duration_ms === undefined ? "" : duration(duration_ms)}</td>
  </tr>`;
}
