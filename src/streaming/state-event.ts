import { changedKeys, type Operation } from "./operation.ts";

/**
 * What a subscriber is told of an operation. An event is one object for all who receive the same
 * transition, so that its bytes are made once.
 */
export interface StateEvent {
  readonly type: "snapshot" | "update";
  readonly operation: Operation;
  /** With an update: the document's keys that changed since the event before. */
  readonly changed: readonly string[];
  /** With an update: the transitions in between that a slow subscriber was spared. */
  readonly coalesced: number;
}

const snapshots = new WeakMap<Operation, StateEvent>();
const updates = new WeakMap<Operation, { from: Operation; event: StateEvent }>();
const bodies = new WeakMap<StateEvent, string>();

/** The first event of a subscriber: where the operation stands. */
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
  if (shared?.from.content === from.content && coalesced === 0) return shared.event;
  const event: StateEvent = {
    type: "update",
    operation: to,
    changed: changedKeys(from, to),
    coalesced,
  };
  if (coalesced === 0) updates.set(to, { from, event });
  return event;
}

/** The event's JSON after its opening brace, so that a transport can put members of its own first. */
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
