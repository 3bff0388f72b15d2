/**
 * Shows one operation. The markup is the `operation` template of index.html.
 *
 * An operation can come from any worker, so its texts are not trusted: they enter the page through
 * `textContent` only, cut to a length that cannot hang the browser.
 *
 * @import { Operation, Progress } from "./operation.js"
 */

import { isTerminal, progressOf, textOf } from "./operation.js";

/** A result can be a megabyte. All of it is at the operation's status URL. */
const RESULT_CHARACTERS = 2_048;
const STATUS_CHARACTERS = 300;
const ERROR_CHARACTERS = 2_048;
const OUTCOME_SHOWN_MS = 1_500;

const today = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const anyDay = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export class Card {
  element;

  /**
   * @param {string} id
   * @param {string} label shown as the status until the first one arrives
   */
  constructor(id, label) {
    const template = /** @type {HTMLTemplateElement} */ (document.getElementById("operation"));
    const content = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    this.element = /** @type {HTMLElement} */ (content.firstElementChild);
    this.#part(".id").textContent = id;
    this.#part(".status").textContent = label;
    this.#part(".track").ariaLabel = `Progress of ${id}`;
    const url = `/api/operations/${encodeURIComponent(id)}`;
    this.#part(".status-url").setAttribute("href", url);
    this.#part(".events-url").setAttribute("href", `${url}/events`);
    this.#part("pre").tabIndex = 0; // it scrolls, and not every browser lets the keyboard reach that
    this.#showProgress(undefined, false);
    this.#offerCopy(id);
  }

  /** @param {Operation} operation */
  show(operation) {
    const progress = progressOf(operation);
    const done = isTerminal(operation);
    this.element.dataset.status = operation.status;
    this.element.classList.toggle("ended", done);
    this.#part(".status").textContent = operation.status;
    this.#showProgress(progress, done);
    this.#showText(
      ".custom-status",
      progress ? progress.message : textOf(operation.custom_status ?? ""),
      STATUS_CHARACTERS,
    );
    const { error } = operation;
    this.#showText(".error", error ? `${error.type}: ${error.message}` : "", ERROR_CHARACTERS);
    this.#showResult(operation.result);
    this.#showTimes(operation, done);
  }

  /**
   * Without a percentage the bar of an active operation only says that it is active.
   * @param {Progress | undefined} progress
   * @param {boolean} done
   */
  #showProgress(progress, done) {
    const track = this.#part(".track");
    this.#part(".progress").hidden = done && !progress;
    track.classList.toggle("indeterminate", !progress);
    track.ariaValueNow = progress ? String(progress.percent) : null;
    this.#part(".fill").style.inlineSize = progress ? `${progress.percent}%` : "";
    this.#part(".percent").textContent = progress ? `${Math.round(progress.percent)} %` : "";
  }

  /** @param {unknown} result */
  #showResult(result) {
    const whole = result === undefined ? "" : textOf(result, 2);
    this.#part(".result").hidden = whole === "";
    this.#part("pre").textContent = whole.slice(0, RESULT_CHARACTERS);
    this.#part(".cut").hidden = whole.length <= RESULT_CHARACTERS;
    this.#part(".cut").textContent =
      `The first ${RESULT_CHARACTERS.toLocaleString()} of ${whole.length.toLocaleString()} characters. Status has all of it.`;
  }

  /**
   * Both times are the scheduler's, so a duration does not depend on this machine's clock.
   * @param {Operation} operation
   * @param {boolean} done
   */
  #showTimes({ created_at: createdAt, last_updated: lastUpdated }, done) {
    const tookMs = Date.parse(lastUpdated) - Date.parse(createdAt);
    const end = done ? `took ${(tookMs / 1_000).toFixed(1)} s` : `updated ${clock(lastUpdated)}`;
    this.#part(".times").textContent = `Started ${clock(createdAt)} · ${end}`;
  }

  /**
   * @param {string} selector
   * @param {string} text
   * @param {number} limit in characters
   */
  #showText(selector, text, limit) {
    this.#part(selector).hidden = text === "";
    this.#part(selector).textContent = text.length > limit ? `${text.slice(0, limit)}…` : text;
  }

  /** @param {string} id */
  #offerCopy(id) {
    const button = this.#part(".copy");
    // Absent on plain HTTP from another host; the id itself selects with one click.
    if (!navigator.clipboard) return button.remove();
    button.addEventListener("click", async () => {
      const copied = await navigator.clipboard.writeText(id).then(
        () => true,
        () => false, // refused by the browser's settings
      );
      button.textContent = copied ? "Copied" : "Not allowed";
      setTimeout(() => {
        button.textContent = "Copy id";
      }, OUTCOME_SHOWN_MS);
    });
  }

  /** @param {string} selector */
  #part(selector) {
    return /** @type {HTMLElement} */ (this.element.querySelector(selector));
  }
}

/** @param {string} time ISO 8601 */
function clock(time) {
  const date = new Date(time);
  const isToday = date.toDateString() === new Date().toDateString();
  return (isToday ? today : anyDay).format(date);
}
