import type { Query } from "./http.ts";
import { isTerminal, type Message, type OperationFilter } from "./wire.ts";

/** What is followed. */
export type Source =
  | { readonly kind: "operation"; readonly id: string }
  | { readonly kind: "steps"; readonly id: string; readonly payloads: boolean }
  | { readonly kind: "operations"; readonly ids: readonly string[] }
  | { readonly kind: "feed"; readonly filter: OperationFilter };

/**
 * What was received of a source: enough to continue on another connection, transport or tab.
 * It does not grow with the number of changes.
 */
export interface Place {
  /** The id of the last message that had one. */
  after?: string | undefined;
  /** By operation, the one that changed last at the end. */
  readonly cursors: Map<string, string>;
  /** Whether the state of a cursor is terminal, for those that were received. Feeds have none. */
  readonly terminal: Map<string, boolean>;
}

/** Before everything. */
export function noPlace(): Place {
  return { cursors: new Map(), terminal: new Map() };
}

/** As many operations as a feed carries. */
const MOST_CURSORS = 1000;

/** @returns whether the message brings something new: transports repeat states that did not change */
export function advance(source: Source, place: Place, message: Message): boolean {
  const { operation } = message;
  const { cursors } = place;
  if (message.id || operation) place.after = message.id;
  if (source.kind === "feed" && message.resumed === false) cursors.clear();
  if (message.type === "removed") cursors.delete(message.operation_id ?? "");
  if (!operation) return true;
  const { operation_id, cursor } = operation;
  if (source.kind === "operation") place.after = cursor;
  if (source.kind !== "feed") place.terminal.set(operation_id, isTerminal(operation));
  const isNew = cursors.get(operation_id) !== cursor;
  cursors.delete(operation_id);
  cursors.set(operation_id, cursor);
  for (const oldest of cursors.keys()) {
    if (cursors.size <= MOST_CURSORS) break;
    cursors.delete(oldest);
  }
  return isNew;
}

/** Path and query of a source's event stream. Ids are in the query, which carries every one of them. */
export function streamOf(
  source: Source,
  { after, cursors }: Place,
): { path: string; query: Query } {
  const path = "api/events";
  switch (source.kind) {
    case "operation":
      return { path, query: { operation_id: source.id, detail: "status", after } };
    case "steps": {
      const include = source.payloads ? "payloads" : undefined;
      return { path, query: { operation_id: source.id, detail: "steps", include, after } };
    }
    case "operations":
      return { path, query: { operation_id: source.ids, after: after ?? [...cursors.values()] } };
    case "feed":
      return { path, query: { ...source.filter, after } as Query };
  }
}
