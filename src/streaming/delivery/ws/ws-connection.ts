import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import type { Access } from "../../../access.ts";
import { ProblemError } from "../../../problems.ts";
import { parseCursor } from "../../operation/cursor.ts";
import type { EndReason } from "../../watching/subscription.ts";
import { type ByeReason, createBye } from "../bye.ts";
import { CHECK_EVERY_MS, type Connection, DRAIN_WITHIN_MS } from "../connections.ts";
import { heartbeatJson } from "../heartbeat.ts";
import { Outbox, type OutboxOwner } from "../outbox.ts";
import { MIN_BYTES_PER_MS } from "../progress.ts";
import { ServiceOrder } from "../service-order.ts";
import { StreamClock } from "../stream-clock.ts";
import type { StreamContext } from "../stream-context.ts";
import { StreamRecord, type StreamRequester } from "../stream-record.ts";
import {
  BadMessageError,
  type ClientMessage,
  CloseCode,
  LimitError,
  MAX_MESSAGE_BYTES,
  MAX_SUBSCRIPTIONS,
  MessageTooLargeError,
  parseMessage,
  type SubscribeMessage,
  SubscriptionError,
  TooManySubscriptionsError,
  textFrame,
} from "./ws-protocol.ts";
import { WsSubscription, type WsWire } from "./ws-subscription.ts";

const PING_EVERY_MS = 20_000;
/** Beyond the time that what was sent before the ping takes at the slowest rate. */
const PONG_WITHIN_MS = 10_000;
/** A client that has not subscribed by then is disconnected. */
const FIRST_SUBSCRIBE_WITHIN_MS = 30_000;
const BYE_CODES: Record<ByeReason, CloseCode> = {
  terminal: CloseCode.done,
  gone: CloseCode.done,
  "not-found": CloseCode.done,
  rotate: CloseCode.drain,
  drain: CloseCode.drain,
  slow: CloseCode.tooSlow,
};

/**
 * One client of the `dts-push.v1` subprotocol. The `ws` library parses messages and writes control
 * frames; our messages are prepared frames, written to the socket past the library's own queue.
 *   WS-1. `subscribed` comes before the first event of its subscription.
 *   WS-2. A message outside the protocol gets one `problem`, then the connection closes with 4400.
 *   WS-3. Sending never waits. A client that cannot keep up is sent `bye slow` and closed with 4003.
 *   WS-4. The connection is counted until its socket has closed. Then no subscription, timer or
 *         listener is left.
 */
export class WsConnection implements Connection, OutboxOwner, WsWire, StreamRequester {
  readonly access: Access;
  readonly requestId: string;
  dueAtMs = 0;
  readonly #socket: WebSocket;
  readonly #context: StreamContext;
  readonly #raw: Socket;
  readonly #outbox: Outbox;
  /** By the names that the client chose. */
  readonly #subscriptions = new Map<string, WsSubscription>();
  readonly #order = new ServiceOrder<WsSubscription>();
  readonly #clock: StreamClock;
  readonly #openedAtMs = performance.now();
  readonly #record: StreamRecord;
  /** Subscriptions since it was opened. */
  #subscribed = 0;
  #pingAtMs: number;
  /** The ping that was not answered yet, behind `bytesWritten`. */
  #ping: { readonly pongDueAtMs: number; readonly bytesWritten: number } | undefined;
  /** Bytes that the client is known to have received: those before the last ping that it answered. */
  #receivedBytes = 0;

  /**
   * @param raw the socket below `socket`, for prepared frames
   * @param requester the request of the handshake
   */
  constructor(socket: WebSocket, raw: Socket, requester: StreamRequester, context: StreamContext) {
    this.access = requester.access;
    this.requestId = requester.requestId;
    const { options, connections } = context;
    this.#record = new StreamRecord(context, "ws", this, raw);
    this.#socket = socket;
    this.#context = context;
    this.#raw = raw;
    this.#outbox = new Outbox(raw, this);
    this.#clock = new StreamClock(options, this.#openedAtMs);
    this.#pingAtMs = this.#openedAtMs + PING_EVERY_MS;
    socket.on("message", (data, isBinary) => this.#receive(data as Buffer, isBinary));
    socket.on("pong", () => {
      this.#receivedBytes = this.#ping?.bytesWritten ?? this.#receivedBytes;
      this.#ping = undefined;
    });
    socket.on("error", () => this.#end("client-left"));
    socket.once("close", () => this.#end("client-left"));
    connections.add(this, this);
  }

  get ready(): boolean {
    return this.#order.isFree(this.#outbox.ready);
  }

  get maxBufferedBytes(): number {
    return this.#context.options.maxBufferedBytes;
  }

  onUnsent(): void {
    // `tick` checks every second anyway.
  }

  onReady(): void {
    this.#order.flush(() => this.#outbox.ready);
    for (const each of this.#order.all()) {
      if (!this.ready) return;
      each.onReady();
    }
  }

  onSlow(): void {
    this.bye("slow");
  }

  onClosed(): void {
    this.#end("client-left");
    this.#record.closed({ subscriptions: this.#subscribed });
    this.#context.connections.remove(this);
  }

  /** Begins with subscriptions to the operations of the request's query, as its messages would. */
  begin(operationIds: readonly string[]): void {
    this.#record.opened({ subscriptions: operationIds.length });
    operationIds.forEach((operationId, index) => {
      this.#subscribe({ type: "subscribe", sub: String(index + 1), operationId });
    });
  }

  send(type: string, members: Readonly<Record<string, unknown>>): void {
    this.sendFrame(type, textFrame(JSON.stringify({ type, ...members })));
  }

  sendFrame(type: string, frame: Buffer, coalesced = 0): void {
    if (this.#record.ended) return;
    this.#outbox.cork();
    this.#outbox.write(frame);
    this.#record.sent(type, coalesced);
  }

  onServed(subscription: WsSubscription): void {
    this.#order.add(subscription);
  }

  onOver(subscription: WsSubscription, reason: EndReason): void {
    this.#drop(subscription, reason);
  }

  #subscribe(message: SubscribeMessage): void {
    const { sub, operationId } = message;
    if (this.#subscriptions.has(sub)) {
      throw new SubscriptionError(
        sub,
        "duplicate-subscription",
        409,
        `"${sub}" is in use on this connection. Unsubscribe it first, or choose another name.`,
      );
    }
    if (this.#subscriptions.size >= MAX_SUBSCRIPTIONS) throw new TooManySubscriptionsError();
    if (!this.#context.watches.hasRoomFor(this, 1)) {
      const detail =
        "This caller has as many subscriptions at this server as it may have. End some, or try later.";
      throw new SubscriptionError(sub, "caller-limit", 429, detail);
    }
    this.#subscribed += 1;
    const resumed = parseCursor(message.after, operationId) !== undefined;
    this.send("subscribed", { sub, operation_id: operationId, resumed }); // WS-1
    // It may have been one message too many for a client that does not keep up (WS-4).
    if (this.#record.ended) return;
    const subscription = new WsSubscription(this.#context, this, message);
    this.#subscriptions.set(sub, subscription);
    this.#order.add(subscription);
  }

  tick(nowMs: number): void {
    this.dueAtMs = nowMs + CHECK_EVERY_MS;
    this.#outbox.check(nowMs);
    if (this.#record.ended) return;
    if (this.#clock.isTimeToRotate(nowMs)) this.bye("rotate");
    else if (this.#subscribed === 0 && nowMs - this.#openedAtMs >= FIRST_SUBSCRIBE_WITHIN_MS) {
      const detail = `Nothing was subscribed within ${FIRST_SUBSCRIBE_WITHIN_MS / 1000} s.`;
      const error = new ProblemError("no-subscription", 408, detail);
      this.#refuse(error, CloseCode.noSubscription);
    } else if (this.#ping && nowMs >= this.#ping.pongDueAtMs) {
      this.#end("no-pong");
      this.#socket.terminate();
    } else {
      if (nowMs >= this.#pingAtMs && !this.#ping) this.#sendPing(nowMs);
      if (this.#clock.isTimeToBeat(nowMs) && this.#outbox.ready) this.#heartbeat();
    }
    this.dueAtMs = Math.min(this.dueAtMs, this.#clock.dueAtMs);
  }

  bye(reason: ByeReason, retryWithinMs?: number): void {
    if (!this.#record.ended) this.#bye(reason, BYE_CODES[reason], retryWithinMs);
    if (reason === "drain") this.#outbox.closeBy(performance.now() + DRAIN_WITHIN_MS);
  }

  /** Sends the client to another replica, or to a later time. */
  turnAway(): void {
    this.#bye("drain", CloseCode.overload);
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#record.ended) return;
    try {
      if (isBinary) throw new BadMessageError("Messages are text frames of JSON, not binary.");
      if (data.length > MAX_MESSAGE_BYTES) throw new MessageTooLargeError();
      this.#carryOut(parseMessage(data.toString("utf8")));
    } catch (error) {
      if (error instanceof SubscriptionError) {
        this.send("problem", { sub: error.sub, problem: error.toProblem() });
      } else if (error instanceof LimitError) {
        this.#refuse(error, CloseCode.limit);
      } else if (error instanceof BadMessageError) {
        this.#refuse(error, CloseCode.badMessage); // WS-2
      } else throw error;
    }
  }

  #carryOut(message: ClientMessage): void {
    if (message.type === "ping") this.send("pong", {});
    else if (message.type === "unsubscribe") this.#unsubscribe(message.sub);
    else this.#subscribe(message);
  }

  #unsubscribe(sub: string): void {
    const subscription = this.#subscriptions.get(sub);
    if (!subscription) {
      const detail = `"${sub}" is not subscribed on this connection.`;
      throw new SubscriptionError(sub, "unknown-subscription", 404, detail);
    }
    this.#drop(subscription, "requested");
  }

  #sendPing(nowMs: number): void {
    const { bytesWritten } = this.#raw;
    const aheadMs = (bytesWritten - this.#receivedBytes) / MIN_BYTES_PER_MS;
    this.#pingAtMs = nowMs + PING_EVERY_MS;
    this.#ping = { pongDueAtMs: nowMs + PONG_WITHIN_MS + aheadMs, bytesWritten };
    this.#socket.ping();
  }

  #drop(subscription: WsSubscription, reason: EndReason | "requested"): void {
    const { sub, operationId } = subscription;
    if (!this.#subscriptions.delete(sub)) return;
    this.#order.delete(subscription);
    subscription.leave();
    this.send("unsubscribed", { sub, operation_id: operationId, reason });
  }

  #heartbeat(): void {
    const followed = [...this.#subscriptions.values()].map(({ subscription }) => subscription);
    const asOfMs = this.#context.watches.asOfMs(followed);
    const json = heartbeatJson(asOfMs, this.#context.options.heartbeatMs);
    this.sendFrame("heartbeat", textFrame(json));
  }

  #bye(reason: ByeReason, code: CloseCode, retryWithinMs?: number): void {
    const { type, ...members } = createBye(reason, retryWithinMs);
    this.#close(type, members, code, reason);
  }

  #refuse(error: ProblemError, code: CloseCode): void {
    this.#close("problem", { problem: error.toProblem() }, code, error.slug);
  }

  /** Sends the last message, and closes behind it. */
  #close(
    type: string,
    members: Readonly<Record<string, unknown>>,
    code: CloseCode,
    reason: string,
  ): void {
    this.#end(reason);
    this.#record.sent(type, 0);
    const frame = textFrame(JSON.stringify({ type, ...members }));
    this.#outbox.end(frame, () => this.#socket.close(code, reason));
  }

  #end(reason: string): void {
    if (this.#record.ended) return;
    this.#record.end(reason);
    for (const subscription of this.#subscriptions.values()) subscription.leave();
    this.#subscriptions.clear();
  }
}
