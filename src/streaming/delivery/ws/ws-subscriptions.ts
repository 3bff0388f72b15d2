import type { Access } from "../../../access.ts";
import { parseCursor } from "../../operation/cursor.ts";
import type { Requester } from "../../reading/fair-queue.ts";
import type { EndReason } from "../../watching/subscription.ts";
import { ServiceOrder } from "../service-order.ts";
import type { StreamContext } from "../stream-context.ts";
import {
  MAX_SUBSCRIPTIONS,
  type SubscribeMessage,
  SubscriptionError,
  TooManySubscriptionsError,
} from "./ws-protocol.ts";
import { WsSubscription, type WsWire } from "./ws-subscription.ts";

/** The connection that carries them. */
export interface WsChannel extends Requester {
  /** False while the client does not keep up with what was sent. */
  readonly ready: boolean;
  send(type: string, members: Readonly<Record<string, unknown>>): void;
  sendFrame(type: string, frame: Buffer, coalesced?: number): void;
}

/**
 * The subscriptions of one WebSocket, by the names that its client chose.
 *   WS-1. `subscribed` comes before the first event of its subscription.
 *   WS-5. After `leave` there is none, and none can be added.
 */
export class WsSubscriptions implements WsWire {
  readonly #context: StreamContext;
  readonly #channel: WsChannel;
  readonly #bySub = new Map<string, WsSubscription>();
  readonly #order = new ServiceOrder<WsSubscription>();
  #opened = 0;
  #left = false;

  constructor(context: StreamContext, channel: WsChannel) {
    this.#context = context;
    this.#channel = channel;
  }

  get access(): Access {
    return this.#channel.access;
  }

  get ready(): boolean {
    return this.#order.isFree(this.#channel.ready);
  }

  /** How many there have been so far. */
  get opened(): number {
    return this.#opened;
  }

  /** @throws SubscriptionError, TooManySubscriptionsError */
  subscribe(message: SubscribeMessage): void {
    const { sub, operationId } = message;
    if (this.#bySub.has(sub)) {
      throw new SubscriptionError(
        sub,
        "duplicate-subscription",
        409,
        `"${sub}" is in use on this connection. Unsubscribe it first, or choose another name.`,
      );
    }
    if (this.#bySub.size >= MAX_SUBSCRIPTIONS) throw new TooManySubscriptionsError();
    if (!this.#context.watches.hasRoomFor(this, 1)) {
      const detail =
        "This caller has as many subscriptions at this server as it may have. End some, or try later.";
      throw new SubscriptionError(sub, "caller-limit", 429, detail);
    }
    this.#opened += 1;
    const resumed = parseCursor(message.after, operationId) !== undefined;
    this.send("subscribed", { sub, operation_id: operationId, resumed }); // WS-1
    // It may have been one message too many for a client that does not keep up.
    if (this.#left) return; // WS-5
    const subscription = new WsSubscription(this.#context, this, message);
    this.#bySub.set(sub, subscription);
    this.#order.add(subscription);
  }

  /** @throws SubscriptionError */
  unsubscribe(sub: string): void {
    const subscription = this.#bySub.get(sub);
    if (!subscription) {
      const detail = `"${sub}" is not subscribed on this connection.`;
      throw new SubscriptionError(sub, "unknown-subscription", 404, detail);
    }
    this.#drop(subscription, "requested");
  }

  /** Ends those that the caller may no longer read. */
  dropForbidden(): void {
    for (const each of [...this.#bySub.values()]) {
      if (!this.access.mayRead(each.operationId)) this.#drop(each, "forbidden");
    }
  }

  /** Ends all, without a message. */
  leave(): void {
    this.#left = true;
    for (const each of this.#bySub.values()) each.leave();
    this.#bySub.clear();
  }

  /** The client can be sent more. */
  onReady(): void {
    this.#order.flush(() => this.#channel.ready);
    for (const each of this.#order.all()) {
      if (!this.ready) return;
      each.onReady();
    }
  }

  /** No change older than this, in epoch milliseconds, is missing from what was sent. */
  asOfMs(): number | undefined {
    const followed = [...this.#bySub.values()].map(({ subscription }) => subscription);
    return this.#context.watches.asOfMs(followed);
  }

  send(type: string, members: Readonly<Record<string, unknown>>): void {
    this.#channel.send(type, members);
  }

  sendFrame(type: string, frame: Buffer, coalesced?: number): void {
    this.#channel.sendFrame(type, frame, coalesced);
  }

  onServed(subscription: WsSubscription): void {
    this.#order.add(subscription);
  }

  onOver(subscription: WsSubscription, reason: EndReason): void {
    this.#drop(subscription, reason);
  }

  #drop(subscription: WsSubscription, reason: EndReason | "requested" | "forbidden"): void {
    const { sub, operationId } = subscription;
    if (!this.#bySub.delete(sub)) return;
    this.#order.delete(subscription);
    subscription.leave();
    this.send("unsubscribed", { sub, operation_id: operationId, reason });
  }
}
