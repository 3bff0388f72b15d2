import type { Access } from "../../access.ts";

/** One connection or request that causes reads. Its identity is the object itself. */
export interface Requester {
  /** The caller behind it. */
  readonly access: Access;
}

/**
 * A queue that callers share fairly.
 *   FAIR-1. Callers take turns; so do the connections of one caller. What one connection asked for
 *       leaves in the order in which it asked.
 *   FAIR-2. An item is in a requester's queue at most once; an empty queue is not kept.
 */
export class FairQueue<Item> {
  readonly #byCaller = new Map<string, Map<Requester, Set<Item>>>();

  add(item: Item, requester: Requester): void {
    let connections = this.#byCaller.get(requester.access.caller);
    if (!connections) {
      connections = new Map();
      this.#byCaller.set(requester.access.caller, connections);
    }
    const items = connections.get(requester);
    if (items) items.add(item);
    else connections.set(requester, new Set([item]));
  }

  /** Removes and returns the next item. */
  shift(): Item | undefined {
    const [caller] = this.#byCaller;
    if (!caller) return undefined;
    const [name, connections] = caller;
    this.#byCaller.delete(name);
    const item = shiftTurn(connections);
    if (connections.size > 0) this.#byCaller.set(name, connections); // Last again: FAIR-1
    return item;
  }
}

function shiftTurn<Item>(connections: Map<Requester, Set<Item>>): Item | undefined {
  const [first] = connections;
  if (!first) return undefined;
  const [requester, items] = first;
  connections.delete(requester);
  const [item] = items;
  items.delete(item as Item);
  if (items.size > 0) connections.set(requester, items);
  return item;
}
