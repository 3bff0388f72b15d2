import type { Duplex } from "node:stream";
import type { WebSocket } from "ws";
import { ProblemError } from "../errors.ts";
import { type ByeReason, createBye } from "./bye.ts";
import { CHECK_EVERY_MS, type Connection } from "./connections.ts";
import { Outbox, type OutboxOwner } from "./outbox.ts";
import { StreamClock } from "./stream-clock.ts";
import type { StreamContext } from "./stream-context.ts";
import type { EndReason } from "./subscription.ts";
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
const PONG_WITHIN_MS = 10_000;
/** A client that has subscribed to nothing by then has no use for its connection. */
const FIRST_SUBSCRIBE_WITHIN_MS = 30_000;
/** How long a client that was told to go may take to receive what is under way. */
const CLOSE_WITHIN_MS = 2000;

const BYE_CODES: Record<ByeReason, CloseCode> = {
  terminal: CloseCode.done,
  gone: CloseCode.done,
  "not-found": CloseCode.done,
  rotate: CloseCode.drain,
  drain: CloseCode.drain,
  slow: CloseCode.tooSlow,
};

/**
 * One client of the `dts-push.v1` subprotocol. The `ws` library parses and closes; what we send goes
 * to the socket as prepared frames, past the library's own queue.
 *   X1. `subscribed` comes before the first event of its subscription.
 *   X2. A message outside the protocol gets one `problem`, then the connection closes with 4400.
 *   X3. Sending never waits; a client that cannot keep up is told `bye slow` and closed with 4003.
 *   X4. When the connection is over no subscription, timer or listener of it is left.
 */
export class WsConnection implements Connection, OutboxOwner, WsWire {
  /** The library writes to its socket too. */
  readonly shared = true;
  readonly address: string;
  dueAtMs = 0;
  readonly #socket: WebSocket;
  readonly #context: StreamContext;
  readonly #outbox: Outbox;
  /** By the names that the client gave them. */
  readonly #subscriptions = new Map<string, WsSubscription>();
  readonly #clock: StreamClock;
  readonly #openedAtMs = Date.now();
  #subscribedOnce = false;
  #pingAtMs: number;
  #pongDueAtMs: number | undefined;
  #over = false;

  /** @param raw the socket below `socket`, for prepared frames */
  constructor(socket: WebSocket, raw: Duplex, address: string, context: StreamContext) {
    this.address = address;
    const { options, connections, metrics } = context;
    this.#socket = socket;
    this.#context = context;
    this.#outbox = new Outbox(raw, this);
    this.#clock = new StreamClock(options, this.#openedAtMs);
    this.#pingAtMs = this.#openedAtMs + PING_EVERY_MS;
    socket.on("message", (data, isBinary) => this.#receive(data as Buffer, isBinary));
    socket.on("pong", () => {
      this.#pongDueAtMs = undefined;
    });
    socket.on("error", () => this.#leave("client-left"));
    socket.once("close", () => this.#leave("client-left"));
    connections.add(this);
    metrics.connections.inc({ transport: "ws" });
  }

  get ready(): boolean {
    return this.#outbox.ready;
  }

  get maxBufferedBytes(): number {
    return this.#context.options.maxBufferedBytes;
  }

  onUnsent(): void {
    // It looks every second anyway.
  }

  onReady(): void {
    this.#flush();
  }

  onSlow(): void {
    this.bye("slow");
  }

  /** Subscribes to what the request's query names, as its messages would. */
  subscribeAll(operationIds: readonly string[]): void {
    operationIds.forEach((operationId, index) => {
      this.#subscribe({ type: "subscribe", sub: String(index + 1), operationId });
    });
  }

  send(type: string, members: Readonly<Record<string, unknown>>): void {
    this.sendFrame(type, textFrame(JSON.stringify({ type, ...members })));
  }

  sendFrame(type: string, frame: Buffer): void {
    if (this.#over) return;
    this.#outbox.cork();
    this.#outbox.write(frame);
    this.#context.metrics.events.inc({ type, transport: "ws" });
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
    this.#subscribedOnce = true;
    this.send("subscribed", { sub, operation_id: operationId }); // X1
    // That may have been one message too many for a client that does not keep up (X4).
    if (this.#over) return;
    this.#subscriptions.set(sub, new WsSubscription(this.#context.hub, this, message));
  }

  tick(nowMs: number): void {
    this.#outbox.check(nowMs);
    if (this.#over) return;
    if (this.#clock.isTimeToRotate(nowMs)) this.bye("rotate");
    else if (!this.#subscribedOnce && nowMs - this.#openedAtMs >= FIRST_SUBSCRIBE_WITHIN_MS) {
      const detail = `Nothing was subscribed within ${FIRST_SUBSCRIBE_WITHIN_MS / 1000} s.`;
      const error = new ProblemError("no-subscription", 408, detail);
      this.#refuse(error, CloseCode.tooSlowToConnect);
    } else if (this.#pongDueAtMs !== undefined && nowMs >= this.#pongDueAtMs) {
      this.#socket.terminate();
      this.#leave("no-pong");
    } else {
      if (nowMs >= this.#pingAtMs) this.#ping(nowMs);
      if (this.#clock.isTimeToBeat(nowMs) && this.ready) this.#heartbeat();
    }
    this.dueAtMs = Math.min(nowMs + CHECK_EVERY_MS, this.#clock.dueAtMs);
  }

  bye(reason: ByeReason, retryWithinMs?: number): void {
    if (this.#over) return;
    const { type, ...members } = createBye(reason, retryWithinMs);
    this.send(type, members);
    this.#close(BYE_CODES[reason], reason);
  }

  /** Sends a client to another replica, or to a later time. */
  turnAway(): void {
    const { type, ...members } = createBye("drain");
    this.send(type, members);
    this.#close(CloseCode.overload, "drain");
  }

  #receive(data: Buffer, isBinary: boolean): void {
    if (this.#over) return;
    try {
      if (isBinary) throw new BadMessageError("Messages are text frames of JSON, not binary.");
      if (data.length > MAX_MESSAGE_BYTES) throw new MessageTooLargeError();
      this.#obey(parseMessage(data.toString("utf8")));
    } catch (error) {
      if (error instanceof SubscriptionError) {
        this.send("problem", { sub: error.sub, problem: error.toProblem() });
      } else if (error instanceof LimitError) {
        this.#refuse(error, CloseCode.limit);
      } else if (error instanceof BadMessageError) {
        this.#refuse(error, CloseCode.badMessage); // X2
      } else throw error;
    }
  }

  #obey(message: ClientMessage): void {
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

  #ping(nowMs: number): void {
    this.#pingAtMs = nowMs + PING_EVERY_MS;
    this.#pongDueAtMs = nowMs + PONG_WITHIN_MS;
    this.#socket.ping();
  }

  #drop(subscription: WsSubscription, reason: EndReason | "requested"): void {
    const { sub, operationId } = subscription;
    if (!this.#subscriptions.delete(sub)) return;
    subscription.leave();
    this.send("unsubscribed", { sub, operation_id: operationId, reason });
  }

  #flush(): void {
    for (const subscription of [...this.#subscriptions.values()]) {
      if (!this.ready) return;
      subscription.flush();
    }
  }

  #heartbeat(): void {
    const followed = [...this.#subscriptions.values()].map(({ subscription }) => subscription);
    const asOfMs = this.#context.hub.asOfMs(followed);
    this.send("heartbeat", {
      as_of: asOfMs === undefined ? null : new Date(asOfMs),
      heartbeat_ms: this.#context.options.heartbeatMs,
    });
  }

  #refuse(error: ProblemError, code: CloseCode): void {
    this.send("problem", { problem: error.toProblem() });
    this.#close(code, error.slug);
  }

  #close(code: CloseCode, reason: string): void {
    this.#leave(reason);
    this.#socket.close(code, reason);
    const timer = setTimeout(() => this.#socket.terminate(), CLOSE_WITHIN_MS);
    this.#socket.once("close", () => clearTimeout(timer));
  }

  #leave(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    const { connections, metrics } = this.#context;
    connections.remove(this);
    for (const subscription of this.#subscriptions.values()) subscription.leave();
    this.#subscriptions.clear();
    metrics.connections.dec({ transport: "ws" });
    metrics.disconnects.inc({ reason });
  }
}
