/**
 * The operations on the page, newest first, and the last known state of each.
 *
 *   BOARD-1. A card never goes back to an older state, unless the server does so within one connection:
 *       that is a scheduler whose clock was set back.
 *   BOARD-2. At most `MAX_REMEMBERED` cards; a new one removes the oldest.
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
   * @type {Map<string, { card: Card, operation?: Operation, received?: Operation }>} */
  #entries = new Map();

  /**
   * @param {string} id
   * @param {string} label shown as the status until the first one arrives
   */
  add(id, label) {
    if (this.#entries.has(id)) return;
    const card = new Card(id, label);
    this.#entries.set(id, { card });
    list.prepend(card.element);
    this.remove([...this.#entries.keys()].slice(0, -MAX_REMEMBERED)); // BOARD-2
  }

  /** @param {Iterable<string>} ids */
  remove(ids) {
    for (const id of ids) {
      this.#entries.get(id)?.card.element.remove();
      this.#entries.delete(id);
    }
    this.#count();
  }

  /**
   * Adds and removes operations so that exactly these are on the page.
   * @param {string[]} ids newest first
   */
  list(ids) {
    const wanted = new Set(ids);
    this.remove([...this.#entries.keys()].filter((id) => !wanted.has(id)));
    for (const id of ids.toReversed()) this.add(id, "Loading");
  }

  /**
   * @param {Operation} operation
   * @param {"snapshot" | "update"} type a snapshot is the first state on a connection
   */
  show(operation, type) {
    const entry = this.#entries.get(operation.operation_id);
    if (!entry) return; // removed from the page while this was on its way
    const { operation: before, received } = entry;
    entry.received = operation;
    const serverWentBack = type === "update" && received && isOlder(operation, received);
    if (before && isOlder(operation, before) && !serverWentBack) return; // BOARD-1
    entry.operation = operation;
    entry.card.show(operation);
    this.#count();
    if (before && !isTerminal(before) && isTerminal(operation)) {
      announcements.textContent = `Operation ${operation.operation_id}: ${operation.status}`;
    }
  }

  /** The operations that are not finished, as far as the page knows. */
  activeIds() {
    const finished = new Set(this.finishedIds());
    return [...this.#entries.keys()].filter((id) => !finished.has(id));
  }

  finishedIds() {
    return [...this.#entries].flatMap(([id, { operation }]) =>
      operation && isTerminal(operation) ? [id] : [],
    );
  }

  #count() {
    const finished = this.finishedIds().length;
    const active = this.#entries.size - finished;
    summary.textContent = this.#entries.size > 0 ? `${active} active, ${finished} finished` : "";
    empty.hidden = this.#entries.size > 0;
    clear.hidden = finished === 0;
  }
}

/** @param {string} id */
function element(id) {
  return /** @type {HTMLElement} */ (document.getElementById(id));
}
