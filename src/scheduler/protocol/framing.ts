/**
 * Protobuf framing by hand, so that stored history can be sent without being parsed.
 *
 * A message is the concatenation of its fields, in any order. A turn's history is therefore stored
 * as a fragment of `OrchestratorRequest` (its `past_events` fields), and a work item is the
 * concatenation of such fragments.
 * @see https://protobuf.dev/programming-guides/encoding/
 */
/** Field numbers of orchestrator_service.proto. */
const PAST_EVENTS = 3;
const NEW_EVENTS = 4;
const ORCHESTRATOR_REQUEST = 1;
const ACTIVITY_REQUEST = 2;
const ENTITY_REQUEST_V2 = 5;
const COMPLETION_TOKEN = 10;
const STREAMED_EVENTS = 1;

/** Joins serialized `HistoryEvent`s into a fragment of history, as it is stored. */
export function historyChunk(events: readonly Uint8Array[]): Buffer {
  const chunk = Buffer.allocUnsafe(framedLength(events));
  writeFramed(chunk, 0, PAST_EVENTS, events);
  return chunk;
}

/** Splits a stored fragment of history into its serialized `HistoryEvent`s. */
export function* storedEvents(chunk: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < chunk.length; ) {
    let length = 0;
    for (let shift = 0, byte = 128; byte > 127; shift += 7) {
      at += 1; // skips the tag
      byte = chunk[at] ?? 0;
      length |= (byte & 127) << shift;
    }
    at += 1;
    yield chunk.subarray(at, at + length);
    at += length;
  }
}

/** A `HistoryChunk`, as it is streamed to a client. */
export function historyMessage(events: readonly Uint8Array[]): Buffer {
  const message = Buffer.allocUnsafe(framedLength(events));
  writeFramed(message, 0, STREAMED_EVENTS, events);
  return message;
}

/** A `WorkItem` holding an orchestrator turn. `head` is an `OrchestratorRequest` without its events. */
export function orchestratorWorkItem(
  head: Uint8Array,
  past: readonly Uint8Array[],
  fresh: readonly Uint8Array[],
): Buffer {
  const stored = [head, ...past];
  const length = stored.reduce((sum, part) => sum + part.length, framedLength(fresh));
  const item = Buffer.allocUnsafe(headerLength(length) + length);
  let at = writeHeader(item, 0, ORCHESTRATOR_REQUEST, length);
  for (const part of stored) {
    item.set(part, at);
    at += part.length;
  }
  writeFramed(item, at, NEW_EVENTS, fresh);
  return item;
}

/** A `WorkItem` holding a serialized `ActivityRequest`. */
export function activityWorkItem(request: Uint8Array): Buffer {
  return framed(ACTIVITY_REQUEST, request);
}

/** A `WorkItem` holding a serialized `EntityRequest`. */
export function entityWorkItem(request: Uint8Array): Buffer {
  return framed(ENTITY_REQUEST_V2, request);
}

/** Adds the completion token, which is known only when the item is leased. */
export function withCompletionToken(workItem: Uint8Array, token: string): Buffer {
  return Buffer.concat([workItem, framed(COMPLETION_TOKEN, Buffer.from(token))]);
}

function framed(field: number, message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(framedLength([message]));
  writeFramed(bytes, 0, field, [message]);
  return bytes;
}

function framedLength(messages: readonly Uint8Array[]): number {
  return messages.reduce((sum, { length }) => sum + headerLength(length) + length, 0);
}

function writeFramed(
  target: Buffer,
  start: number,
  field: number,
  messages: readonly Uint8Array[],
): void {
  let at = start;
  for (const message of messages) {
    at = writeHeader(target, at, field, message.length);
    target.set(message, at);
    at += message.length;
  }
}

/** Bytes of a field's tag and length. All field numbers here are below 16, so the tag is one byte. */
function headerLength(length: number): number {
  let bytes = 2;
  for (let rest = length >>> 7; rest > 0; rest >>>= 7) bytes += 1;
  return bytes;
}

/** @returns the offset of the field's content */
function writeHeader(target: Buffer, start: number, field: number, length: number): number {
  let at = start;
  target[at++] = (field << 3) | 2; // wire type 2: length-delimited
  let rest = length;
  while (rest > 127) {
    target[at++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}
