import type { Socket } from "node:net";
import { type ByeReason, createBye, reconnectMs } from "../bye.ts";
import { CHECK_EVERY_MS, type Connection, DRAIN_WITHIN_MS } from "../connections.ts";
import { heartbeatJson } from "../heartbeat.ts";
import { Outbox, type OutboxOwner } from "../outbox.ts";
import { StreamClock } from "../stream-clock.ts";
import type { StreamContext } from "../stream-context.ts";
import { StreamRecord, type StreamRequester } from "../stream-record.ts";
import {
  formatEvent,
  formatRetry,
  fromChunk,
  LAST_CHUNK,
  type ServerSentEvent,
  toChunk,
  withResumed,
} from "./sse-format.ts";

/** What a connection needs of the stream that it carries. */
export interface StreamContent {
  /** The id that a client resumes from; repeated in heartbeats and at the end. */
  cursor(): string | undefined;
  /**
   * Whether it continues where the client's cursor says, for the first event of the connection;
   * `undefined` where that is not known.
   */
  readonly resumed: boolean | undefined;
  /** What it carries, for the log: an operation, several, or a feed. */
  readonly subject: object;
  /** No change older than this, in epoch milliseconds, is missing from what was sent. */
  asOfMs(): number | undefined;
  /** The client has caught up: pending states can be sent. */
  onReady(): void;
  /** The stream has ended, on whichever side. Called once. */
  onClose(): void;
}

/** A client that has requested a stream, and how its answer is written. */
export interface SseClient extends StreamRequester {
  /** The socket of its request, until the stream opens. */
  readonly socket: Socket;
  /** The same, for the stream alone. */
  takeSocket(): Socket;
  /** Whether the client knows chunks, which HTTP/1.0 does not: its stream ends with the connection. */
  readonly chunked: boolean;
  /** Further headers, as `name: value`. */
  readonly headers: readonly string[];
  /**
   * A long-poll: the stream ends with `rotate` as soon as something was sent, or after this time, for
   * clients behind proxies that buffer a response until its end. Default: it stays open.
   */
  readonly waitMs?: number | undefined;
}

const HEAD = [
  "HTTP/1.1 200 OK",
  "content-type: text/event-stream",
  "cache-control: no-cache, no-store, no-transform",
  "x-accel-buffering: no",
  "connection: close",
];

/** What follows the first event of a long-poll within this time is part of the same answer. */
const POLL_ANSWER_WITHIN_MS = 20;

/**
 * One SSE client, on the bare socket of a request that HTTP has parsed: writing a prepared chunk there
 * costs a third less than a response's own `write`.
 *   SSE-1. Sending never waits. A client that cannot keep up is sent `bye slow` and disconnected.
 *   SSE-2. `bye` is the last event, once, followed by a clean end where the client takes it.
 *   SSE-3. The connection is counted until its socket has closed. Then no timer and no listener is left.
 */
export class SseConnection implements Connection, OutboxOwner {
  dueAtMs = 0;
  readonly #context: StreamContext;
  readonly #content: StreamContent;
  readonly #outbox: Outbox;
  readonly #clock: StreamClock;
  readonly #socket: Socket;
  readonly #chunked: boolean;
  /** Of a client that polls: whether it has what it was waiting for. A heartbeat is nothing of the kind. */
  #poll: "none" | "waiting" | "answered";
  readonly #record: StreamRecord;
  #isFirst = true;

  constructor(client: SseClient, content: StreamContent, context: StreamContext) {
    const { options, connections } = context;
    const { chunked, headers, waitMs } = client;
    const socket = client.takeSocket();
    this.#content = content;
    this.#socket = socket;
    this.#chunked = chunked;
    this.#context = context;
    this.#poll = waitMs === undefined ? "none" : "waiting";
    this.#clock = new StreamClock(options, performance.now(), waitMs);
    this.#record = new StreamRecord(context, "sse", client, socket);
    this.#outbox = new Outbox(socket, this);
    connections.add(this, client);
    const head = [...HEAD, ...headers, ...(chunked ? ["transfer-encoding: chunked"] : [])];
    const retry = this.#framed(toChunk(`${formatRetry(reconnectMs())}\n`));
    this.#outbox.write(Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), retry]));
  }

  get ready(): boolean {
    return this.#outbox.ready;
  }

  get maxBufferedBytes(): number {
    return this.#context.options.maxBufferedBytes;
  }

  onUnsent(): void {
    this.dueAtMs = Math.min(this.dueAtMs, performance.now() + CHECK_EVERY_MS);
  }

  onReady(): void {
    this.#content.onReady();
  }

  onSlow(): void {
    this.bye("slow");
  }

  onClosed(): void {
    this.#end("client-left");
    this.#record.closed(this.#content.subject);
    this.#context.connections.remove(this);
  }

  /** It was opened, and not only to turn the client away. */
  onOpened(): void {
    this.#record.opened({ ...this.#content.subject, resumed: this.#content.resumed });
  }

  /**
   * Sends a prepared chunk.
   * @param type what it counts as
   * @param coalesced changes that were merged into it
   */
  sendChunk(type: string, chunk: Buffer, coalesced = 0): void {
    if (this.#record.ended) return;
    const isFirst = this.#isFirst;
    this.#isFirst = false;
    if (this.#poll === "waiting" && type !== "heartbeat") {
      this.#poll = "answered";
      setTimeout(() => this.bye("rotate", 0), POLL_ANSWER_WITHIN_MS);
    }
    const { resumed } = this.#content;
    this.#outbox.write(
      this.#framed(isFirst && resumed !== undefined ? withResumed(chunk, resumed) : chunk),
    );
    this.#record.sent(type, coalesced);
  }

  send(event: ServerSentEvent): void {
    this.sendChunk(event.event, toChunk(formatEvent(event)));
  }

  tick(nowMs: number): void {
    const unsent = this.#outbox.check(nowMs);
    this.dueAtMs = unsent ? nowMs + CHECK_EVERY_MS : Number.POSITIVE_INFINITY;
    if (this.#record.ended) return;
    const beat = this.#clock.isTimeToBeat(nowMs);
    this.dueAtMs = Math.min(this.dueAtMs, this.#clock.dueAtMs);
    if (this.#clock.isTimeToRotate(nowMs)) {
      const isPoll = this.#poll !== "none";
      if (isPoll) this.heartbeat();
      this.bye("rotate", isPoll ? 0 : undefined);
    } else if (beat && this.ready) this.heartbeat();
  }

  bye(reason: ByeReason, retryWithinMs?: number): void {
    if (!this.#record.ended) {
      const bye = createBye(reason, retryWithinMs);
      const id = this.#content.cursor();
      const data = JSON.stringify(bye);
      const last = toChunk(formatEvent({ event: "bye", id, data, retryMs: bye.retry_ms }));
      this.#record.sent("bye", 0);
      this.#end(reason);
      const frame = this.#chunked ? Buffer.concat([last, LAST_CHUNK]) : fromChunk(last);
      this.#outbox.end(frame, () => this.#socket.end());
      this.dueAtMs = performance.now() + CHECK_EVERY_MS;
    }
    if (reason === "drain") this.#outbox.closeBy(performance.now() + DRAIN_WITHIN_MS);
  }

  /** Repeats the id, and says how up to date the stream is. */
  heartbeat(): void {
    const id = this.#content.cursor();
    const data = heartbeatJson(this.#content.asOfMs(), this.#context.options.heartbeatMs);
    this.send({ event: "heartbeat", id, data });
  }

  #framed(chunk: Buffer): Buffer {
    return this.#chunked ? chunk : fromChunk(chunk);
  }

  #end(reason: ByeReason | "client-left"): void {
    if (this.#record.ended) return;
    this.#record.end(reason);
    this.#content.onClose();
  }
}
