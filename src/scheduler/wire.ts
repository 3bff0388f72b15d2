/**
 * Protobuf framing by hand, so that stored history is sent on without being parsed again.
 *
 * A message is the concatenation of its fields, in any order. A turn's history is therefore stored
 * as a fragment of `OrchestratorRequest` (its `past_events` fields), and a work item is built by
 * laying such fragments end to end.
 * @see https://protobuf.dev/programming-guides/encoding/
 */
import { pb } from "./proto.ts";

/** Field numbers of orchestrator_service.proto. */
const PAST_EVENTS = 3;
const NEW_EVENTS = 4;
const ORCHESTRATOR_REQUEST = 1;
const ACTIVITY_REQUEST = 2;
const ENTITY_REQUEST_V2 = 5;
const COMPLETION_TOKEN = 10;

/** The tag and length that come before a field's bytes. */
function header(field: number, length: number): Uint8Array {
  const bytes = [(field << 3) | 2]; // wire type 2; every field here is below 16, so one byte is enough
  let rest = length;
  while (rest > 127) {
    bytes.push((rest & 127) | 128);
    rest >>>= 7;
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

function frame(field: number, messages: readonly Uint8Array[]): Uint8Array[] {
  return messages.flatMap((message) => [header(field, message.length), message]);
}

/** Serialized `HistoryEvent`s as a storable piece of history. */
export function historyChunk(events: readonly Uint8Array[]): Buffer {
  return Buffer.concat(frame(PAST_EVENTS, events));
}

/** The events of stored pieces of history. */
export function parseHistory(chunks: readonly Uint8Array[]): pb.HistoryEvent[] {
  return pb.OrchestratorRequest.deserializeBinary(Buffer.concat(chunks)).getPasteventsList();
}

/** A `WorkItem` holding an orchestrator turn. `head` is an `OrchestratorRequest` without its events. */
export function orchestratorWorkItem(
  head: Uint8Array,
  past: readonly Uint8Array[],
  fresh: readonly Uint8Array[],
): Buffer {
  const request = [head, ...past, ...frame(NEW_EVENTS, fresh)];
  const length = request.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([header(ORCHESTRATOR_REQUEST, length), ...request]);
}

/** A `WorkItem` holding a serialized `ActivityRequest`. */
export function activityWorkItem(request: Uint8Array): Buffer {
  return Buffer.concat(frame(ACTIVITY_REQUEST, [request]));
}

/** A `WorkItem` holding a serialized `EntityRequest`. */
export function entityWorkItem(request: Uint8Array): Buffer {
  return Buffer.concat(frame(ENTITY_REQUEST_V2, [request]));
}

/** Adds the completion token, which is known only once a lease is given. */
export function withCompletionToken(workItem: Uint8Array, token: string): Buffer {
  return Buffer.concat([workItem, ...frame(COMPLETION_TOKEN, [Buffer.from(token)])]);
}
