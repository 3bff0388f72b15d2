/**
 * The operations on the page, newest first, and what is known of each.
 *
 *   B1. A card never shows an older state than it has shown.
 *   B2. At most `MAX_REMEMBERED` cards; a new one pushes the oldest off the page.
 *
 * @import { Operation } from "./operation.js"
 */

import { Card } from "./card.js";
import { isOlder, isTerminal } from "./operation.js";
import { MAX_REMEMBERED } from "./store.js";

const list = element("operations");
const summary = element("summary");
const empty = element("empty");
const announcements = element("announcements");
const clear = element("clear");

export class Board {
  /** Oldest first, as a Map keeps its keys.
   * @type {Map<string, { card: Card, operation?: Operation }>} */
  #entries = new Map();

  /**
   * @param {string} id
   * @param {string} label what to call its status until the first one arrives
   */
  add(id, label) {
    if (this.#entries.has(id)) return;
    const card = new Card(id, label);
    this.#entries.set(id, { card });
    list.prepend(card.element);
    this.remove([...this.#entries.keys()].slice(0, -MAX_REMEMBERED)); // B2
  }

  /** @param {Iterable<string>} ids */
  remove(ids) {
    for (const id of ids) {
      this.#entries.get(id)?.card.element.remove();
      this.#entries.delete(id);
    }
    this.#count();
  }

  /** @param {Operation} operation */
  show(operation) {
    const entry = this.#entries.get(operation.operation_id);
    if (!entry) return; // removed from the page while this was on its way
    const before = entry.operation;
    if (before && isOlder(operation, before)) return; // B1
    entry.operation = operation;
    entry.card.show(operation);
    this.#count();
    if (before && !isTerminal(before) && isTerminal(operation)) {
      announcements.textContent = `Operation ${operation.operation_id}: ${operation.status}`;
    }
  }

  /** Those that have not ended, as far as the page knows. */
  liveIds() {
    const ended = new Set(this.finishedIds());
    return [...this.#entries.keys()].filter((id) => !ended.has(id));
  }

  finishedIds() {
    return [...this.#entries].flatMap(([id, { operation }]) =>
      operation && isTerminal(operation) ? [id] : [],
    );
  }

  #count() {
    const finished = this.finishedIds().length;
    const live = this.#entries.size - finished;
    summary.textContent = this.#entries.size > 0 ? `${live} active, ${finished} finished` : "";
    empty.hidden = this.#entries.size > 0;
    clear.hidden = finished === 0;
  }
}

/** @param {string} id */
function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}
