import { bodyOf, type StateEvent } from "../../operation/state-event.ts";

/** One event of a stream. `data` is JSON, which holds no line break. */
export interface ServerSentEvent {
  readonly event: string;
  readonly data: string;
  /** A cursor, or nothing where the client has received no state yet. */
  readonly id?: string | undefined;
  /** The client's time to reconnect, in milliseconds. */
  readonly retryMs?: number | undefined;
}

const LINE_BREAK_OR_NUL = /[\r\n\0]/;

/**
 * One event as text.
 * @throws TypeError where a field holds a line break or NUL, which would end or void it
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export function formatEvent({ event, data, id, retryMs }: ServerSentEvent): string {
  for (const field of [event, data, id ?? ""]) {
    if (LINE_BREAK_OR_NUL.test(field))
      throw new TypeError("An SSE field holds a line break or NUL");
  }
  return `${formatRetry(retryMs)}${id ? `id: ${id}\n` : ""}event: ${event}\ndata: ${data}\n\n`;
}

/** The hint that a stream begins with. */
export function formatRetry(retryMs: number | undefined): string {
  return retryMs === undefined ? "" : `retry: ${Math.round(retryMs)}\n`;
}

/** `text` as one chunk of HTTP/1.1's chunked coding. @see RFC 9112, section 7.1 */
export function toChunk(text: string): Buffer {
  const size = Buffer.byteLength(text).toString(16);
  return Buffer.from(`${size}\r\n${text}\r\n`);
}

/** The bytes between a chunk's size and its end, for clients that know no chunks. */
export function fromChunk(chunk: Buffer): Buffer {
  return chunk.subarray(chunk.indexOf("\r\n") + 2, -2);
}

/** An event's chunk with `resumed` as the first member of its data. */
export function withResumed(chunk: Buffer, resumed: boolean): Buffer {
  return toChunk(fromChunk(chunk).toString().replace("data: {", `data: {"resumed":${resumed},`));
}

/** The chunk that ends a message. */
export const LAST_CHUNK = Buffer.from("0\r\n\r\n");

/** A state event under an id of one stream's own, or none: all but the id is made once for all. */
export function stateChunkUnder(id: string | undefined, event: StateEvent): Buffer {
  const body = stateBody(event);
  const field = id === undefined ? "" : `id: ${id}\n`;
  const size = (field.length + body.length).toString(16);
  return Buffer.concat([Buffer.from(`${size}\r\n${field}`), body, CRLF]);
}

const CRLF = Buffer.from("\r\n");
const stateBodies = new WeakMap<StateEvent, Buffer>();

function stateBody(event: StateEvent): Buffer {
  let body = stateBodies.get(event);
  if (!body) {
    body = Buffer.from(formatEvent({ event: event.type, data: `{${bodyOf(event)}` }));
    stateBodies.set(event, body);
  }
  return body;
}

const stateChunks = new WeakMap<StateEvent, Buffer>();

/** A state event under its own cursor as one chunk, made once for all receivers. */
export function stateChunk(event: StateEvent): Buffer {
  let chunk = stateChunks.get(event);
  if (!chunk) {
    const id = event.operation.cursor.text;
    chunk = toChunk(formatEvent({ id, event: event.type, data: `{${bodyOf(event)}` }));
    stateChunks.set(event, chunk);
  }
  return chunk;
}
