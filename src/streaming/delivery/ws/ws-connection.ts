import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import { type Access, UnauthenticatedError } from "../../../access.ts";
import { ProblemError } from "../../../problems.ts";
import { type ByeReason, createBye } from "../bye.ts";
import { CHECK_EVERY_MS, type Connection, DRAIN_WITHIN_MS } from "../connections.ts";
import { heartbeatJson } from "../heartbeat.ts";
import { Outbox, type OutboxOwner } from "../outbox.ts";
import { StreamClock } from "../stream-clock.ts";
import type { StreamContext } from "../stream-context.ts";
import { StreamRecord, type StreamRequester } from "../stream-record.ts";
import { type VerifyToken, WsCaller, type WsCallerOwner } from "./ws-caller.ts";
import { WsPing } from "./ws-ping.ts";
import {
  BadMessageError,
  type ClientMessage,
  CloseCode,
  LimitError,
  MAX_MESSAGE_BYTES,
  MessageTooLargeError,
  parseMessage,
  type SubscribeOperation,
  SubscriptionError,
  textFrame,
} from "./ws-protocol.ts";
import { type WsChannel, WsSubscriptions } from "./ws-subscriptions.ts";

/** A client that has not subscribed by then is disconnected. */
const FIRST_SUBSCRIBE_WITHIN_MS = 30_000;
const BYE_CODES: Record<ByeReason, CloseCode> = {
  terminal: CloseCode.done,
  gone: CloseCode.done,
  "not-found": CloseCode.done,
  auth_expired: CloseCode.authExpired,
  rotate: CloseCode.drain,
  drain: CloseCode.drain,
  slow: CloseCode.tooSlow,
};

/** How a connection closes whose client cannot be authenticated, by the problem's status. */
const REJECTION_CODES: Readonly<Record<number, CloseCode>> = {
  401: CloseCode.unauthenticated,
  403: CloseCode.forbidden,
};

/**
 * One client of the `dts-push.v1` subprotocol. The `ws` library parses messages and writes control
 * frames; our messages are prepared frames, written to the socket past the library's own queue.
 *   WS-2. A message outside the protocol gets one `problem`, then the connection closes with 4400.
 *   WS-3. Sending never waits. A client that cannot keep up is sent `bye slow` and closed with 4003.
 *   WS-4. The connection is counted until its socket has closed. Then no subscription, timer or
 *         listener is left.
 */
export class WsConnection
  implements Connection, OutboxOwner, WsCallerOwner, WsChannel, StreamRequester
{
  readonly requestId: string;
  dueAtMs = 0;
  readonly #socket: WebSocket;
  readonly #context: StreamContext;
  readonly #raw: Socket;
  readonly #outbox: Outbox;
  readonly #caller: WsCaller;
  readonly #subscriptions: WsSubscriptions;
  readonly #clock: StreamClock;
  readonly #ping: WsPing;
  readonly #openedAtMs = performance.now();
  readonly #record: StreamRecord;
  /** Operations of the request's query that are to be subscribed when the client is known. */
  #wanted: readonly string[] = [];

  /**
   * @param raw the socket below `socket`, for prepared frames
   * @param requester the request of the handshake. Without `operations:read` its client has to
   *   authenticate first
   */
  constructor(
    socket: WebSocket,
    raw: Socket,
    { access, requestId }: StreamRequester,
    verify: VerifyToken,
    context: StreamContext,
  ) {
    this.requestId = requestId;
    const { options, connections } = context;
    this.#caller = new WsCaller(access, verify, this, this.#openedAtMs);
    this.#record = new StreamRecord(context, "ws", this, raw);
    this.#socket = socket;
    this.#context = context;
    this.#raw = raw;
    this.#outbox = new Outbox(raw, this);
    this.#subscriptions = new WsSubscriptions(context, this);
    this.#clock = new StreamClock(options, this.#openedAtMs);
    this.#ping = new WsPing(this.#openedAtMs);
    socket.on("message", (data, isBinary) =>
      this.#caller.inOrder(() => this.#receive(data as Buffer, isBinary)),
    );
    socket.on("pong", () => this.#ping.onPong());
    socket.on("error", () => this.#end("client-left"));
    socket.once("close", () => this.#end("client-left"));
    connections.add(this, this);
  }

  get access(): Access {
    return this.#caller.access;
  }

  get ready(): boolean {
    return this.#outbox.ready;
  }

  get maxBufferedBytes(): number {
    return this.#context.options.maxBufferedBytes;
  }

  onUnsent(): void {
    // `tick` checks every second anyway.
  }

  onReady(): void {
    this.#subscriptions.onReady();
  }

  onSlow(): void {
    this.bye("slow");
  }

  onClosed(): void {
    this.#end("client-left");
    const { caller } = this.access;
    this.#record.closed({ caller, subscriptions: this.#subscriptions.opened });
    this.#context.connections.remove(this);
  }

  /** Begins with subscriptions to the operations of the request's query, as its messages would. */
  begin(operationIds: readonly string[]): void {
    this.#record.opened({ subscriptions: operationIds.length });
    if (this.#caller.isKnown) this.#subscribeAll(operationIds);
    else this.#wanted = operationIds;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  onKnown(): void {
    if (this.#record.ended) return;
    if (this.#context.connections.callerHasRoom(this.access.caller)) {
      this.#acceptCredential();
      this.#subscribeAll(this.#wanted);
    } else this.turnAway();
    this.#wanted = [];
  }

  onRenewed(): void {
    if (this.#record.ended) return;
    this.#acceptCredential();
    this.#subscriptions.dropForbidden();
  }

  onRenewalRefused(problem: ProblemError): void {
    this.send("problem", { problem: problem.toProblem() });
  }

  onRejected(problem: ProblemError): void {
    if (this.#record.ended) return;
    this.#refuse(problem, REJECTION_CODES[problem.status] ?? CloseCode.overload);
  }

  send(type: string, members: Readonly<Record<string, unknown>>): void {
    this.sendFrame(type, textFrame(JSON.stringify({ type, ...members })));
  }

  sendFrame(type: string, frame: Buffer, coalesced = 0): void {
    if (this.#record.ended) return;
    this.#outbox.write(frame);
    this.#record.sent(type, coalesced);
  }

  tick(nowMs: number): void {
    this.dueAtMs = nowMs + CHECK_EVERY_MS;
    this.#outbox.check(nowMs);
    if (this.#record.ended) return;
    const isLateToSubscribe = nowMs - this.#openedAtMs >= FIRST_SUBSCRIBE_WITHIN_MS;
    if (this.#clock.isTimeToRotate(nowMs)) this.bye("rotate");
    else if (this.#caller.isLate(nowMs)) {
      this.onRejected(new UnauthenticatedError()); // WS-AUTH-1
    } else if (isLateToSubscribe && this.#subscriptions.opened === 0) {
      const detail = `Nothing was subscribed within ${FIRST_SUBSCRIBE_WITHIN_MS / 1000} s.`;
      const error = new ProblemError("no-subscription", 408, detail);
      this.#refuse(error, CloseCode.noSubscription);
    } else if (this.#ping.isLate(nowMs)) {
      this.#end("no-pong");
      this.#socket.terminate();
    } else {
      if (this.#ping.isDue(nowMs)) {
        this.#ping.onPing(nowMs, this.#raw.bytesWritten);
        this.#socket.ping();
      }
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

  #acceptCredential(): void {
    const { expiresAtMs } = this.access;
    const expires_at = expiresAtMs === undefined ? undefined : new Date(expiresAtMs);
    this.#context.connections.add(this, this);
    this.send("authenticated", { expires_at });
  }

  #receive(data: Buffer, isBinary: boolean): void {
    this.#attempt(() => {
      if (isBinary) throw new BadMessageError("Messages are text frames of JSON, not binary.");
      if (data.length > MAX_MESSAGE_BYTES) throw new MessageTooLargeError();
      this.#carryOut(parseMessage(data.toString("utf8")));
    });
  }

  #subscribeAll(operationIds: readonly string[]): void {
    operationIds.forEach((operationId, index) => {
      const message: SubscribeOperation = { type: "subscribe", sub: `${index + 1}`, operationId };
      this.#attempt(() => this.#subscriptions.subscribe(message));
    });
  }

  /** Does something for the client, and answers it where it may not have that. */
  #attempt(action: () => void): void {
    if (this.#record.ended) return;
    try {
      action();
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
    if (message.type === "auth") void this.#caller.authenticate(message.token);
    else if (!this.#caller.isKnown)
      this.onRejected(new UnauthenticatedError()); // WS-AUTH-1
    else if (message.type === "ping") this.send("pong", {});
    else if (message.type === "unsubscribe") this.#subscriptions.unsubscribe(message.sub);
    else this.#subscriptions.subscribe(message);
  }

  #heartbeat(): void {
    const json = heartbeatJson(this.#subscriptions.asOfMs(), this.#context.options.heartbeatMs);
    this.sendFrame("heartbeat", textFrame(json));
    this.#subscriptions.onHeartbeat();
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
    this.#subscriptions.leave();
  }
}
