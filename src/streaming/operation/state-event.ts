import { type Cursor, isSameState } from "./cursor.ts";
import { changedKeys } from "./document.ts";
import type { Operation } from "./operation.ts";

/**
 * One event about an operation. All subscribers of the same transition share one object, so that its
 * bytes are made once.
 */
export interface StateEvent {
  readonly type: "snapshot" | "update";
  readonly operation: Operation;
  /** With an update: the document's keys that changed since the event before. */
  readonly changed: readonly string[];
  /** With an update: the number of transitions that were merged into it for a slow subscriber. */
  readonly coalesced: number;
}

const snapshots = new WeakMap<Operation, StateEvent>();
/**
 * The last update made to reach each state. It keeps the position of the state before, and not that
 * state itself: its own entry here would keep the one before it alive, and so on without end.
 */
const updates = new WeakMap<Operation, { from: Cursor; event: StateEvent }>();
const bodies = new WeakMap<StateEvent, string>();

/** The first event of a subscription: the present state. */
export function snapshotOf(operation: Operation): StateEvent {
  let event = snapshots.get(operation);
  if (!event) {
    event = { type: "snapshot", operation, changed: [], coalesced: 0 };
    snapshots.set(operation, event);
  }
  return event;
}

/** The event that takes a subscriber from one state to another. */
export function updateOf(from: Operation, to: Operation, coalesced: number): StateEvent {
  const shared = updates.get(to);
  if (shared && coalesced === 0 && isSameState(shared.from, from.cursor)) return shared.event;
  const event: StateEvent = {
    type: "update",
    operation: to,
    changed: changedKeys(from, to),
    coalesced,
  };
  if (coalesced === 0) updates.set(to, { from: from.cursor, event });
  return event;
}

/** The event's JSON after its opening brace, for transports that put their own members first. */
export function bodyOf(event: StateEvent): string {
  let body = bodies.get(event);
  if (body === undefined) {
    const { type, changed, coalesced, operation } = event;
    const members =
      type === "update" ? `"changed":${JSON.stringify(changed)},"coalesced":${coalesced},` : "";
    body = `"type":"${type}",${members}"operation":${operation.json}}`;
    bodies.set(event, body);
  }
  return body;
}
