import { type Access, ForbiddenError } from "../../../access.ts";
import { ProblemError } from "../../../problems.ts";
import type { Requester } from "../../reading/fair-queue.ts";
import type { EndReason } from "../../watching/subscription.ts";
import { ServiceOrder } from "../service-order.ts";
import type { StreamContext } from "../stream-context.ts";
import { WsFeed } from "./ws-feed.ts";
import { WsOperation } from "./ws-operation.ts";
import {
  MAX_SUBSCRIPTIONS,
  type SubscribeMessage,
  SubscriptionError,
  TooManySubscriptionsError,
} from "./ws-protocol.ts";
import type { WsSubscription, WsWire } from "./ws-subscription.ts";

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
 *   WS-5. After `leave` there is none, and its connection adds none.
 */
export class WsSubscriptions implements WsWire {
  readonly #context: StreamContext;
  readonly #channel: WsChannel;
  readonly #bySub = new Map<string, WsSubscription>();
  readonly #order = new ServiceOrder<WsSubscription>();
  #opened = 0;

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
    const { sub } = message;
    if (this.#bySub.has(sub)) {
      const detail = `"${sub}" is in use on this connection. Unsubscribe it first, or choose another name.`;
      throw new SubscriptionError(sub, new ProblemError("duplicate-subscription", 409, detail));
    }
    if (this.#bySub.size >= MAX_SUBSCRIPTIONS) throw new TooManySubscriptionsError();
    if (!this.#context.watches.hasRoomFor(this, 1)) {
      const detail =
        "This caller has as many subscriptions at this server as it may have. End some, or try later.";
      throw new SubscriptionError(sub, new ProblemError("caller-limit", 429, detail));
    }
    const subscription = this.#open(message);
    this.#opened += 1;
    this.#bySub.set(sub, subscription);
    this.#order.add(subscription);
    const { address, resumed } = subscription;
    // It may be one message too many for a client that does not keep up: then this leaves (WS-1).
    this.send("subscribed", { sub, ...address, resumed });
  }

  /** @throws SubscriptionError */
  unsubscribe(sub: string): void {
    const subscription = this.#bySub.get(sub);
    if (!subscription) {
      const detail = `"${sub}" is not subscribed on this connection.`;
      throw new SubscriptionError(sub, new ProblemError("unknown-subscription", 404, detail));
    }
    this.#drop(subscription, "requested");
  }

  /** Ends those that the caller may no longer read. */
  dropForbidden(): void {
    for (const each of [...this.#bySub.values()]) {
      if (!each.isPermitted(this.access)) this.#drop(each, "forbidden");
    }
  }

  /** Ends all, without a message. */
  leave(): void {
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
    let oldestMs = Number.POSITIVE_INFINITY;
    for (const each of this.#bySub.values()) {
      const asOfMs = each.asOfMs();
      if (asOfMs === undefined) return undefined;
      oldestMs = Math.min(oldestMs, asOfMs);
    }
    return Number.isFinite(oldestMs) ? oldestMs : undefined;
  }

  /** It is time for a heartbeat. */
  onHeartbeat(): void {
    for (const each of this.#bySub.values()) each.onHeartbeat();
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

  #open(message: SubscribeMessage): WsSubscription {
    if (!("feed" in message)) return new WsOperation(this.#context, this, message);
    const { sub, feed } = message;
    try {
      if (this.#context.feeds.hasRoomFor(this, feed.prefix)) {
        return new WsFeed(this.#context, this, message);
      }
    } catch (error) {
      if (error instanceof ForbiddenError) throw new SubscriptionError(sub, error);
      throw error;
    }
    const detail = "Too many different prefixes are followed at this replica. Try later.";
    throw new SubscriptionError(sub, new ProblemError("too-many-feeds", 429, detail));
  }

  #drop(subscription: WsSubscription, reason: EndReason | "requested" | "forbidden"): void {
    const { sub, address } = subscription;
    if (!this.#bySub.delete(sub)) return;
    this.#order.delete(subscription);
    subscription.leave();
    this.send("unsubscribed", { sub, ...address, reason });
  }
}
