import type { Access } from "../../../access.ts";
import type { Problem } from "../../../problems.ts";
import type { FeedEvent } from "../../feed/feed-position.ts";
import { FeedFollower, type FeedSink, removalBody } from "../feed-follower.ts";
import { heartbeatJson } from "../heartbeat.ts";
import type { StreamContext } from "../stream-context.ts";
import { bodyFrame, type SubscribeFeed } from "./ws-protocol.ts";
import type { WsSubscription, WsWire } from "./ws-subscription.ts";

/**
 * One feed on a WebSocket. Each of its frames has the watermark behind it as `cursor`; so has a heartbeat of
 * its own, which follows when the client has caught up, and beside each heartbeat of the connection.
 */
export class WsFeed implements WsSubscription, FeedSink {
  readonly sub: string;
  readonly pending = undefined;
  readonly address = {};
  readonly #context: StreamContext;
  readonly #wire: WsWire;
  readonly #follower: FeedFollower;

  /** @throws ForbiddenError where the caller may not read all of it */
  constructor(context: StreamContext, wire: WsWire, { sub, feed, after }: SubscribeFeed) {
    this.sub = sub;
    this.#context = context;
    this.#wire = wire;
    this.#follower = new FeedFollower(context, this, feed, after);
    context.watches.countCaller(wire, 1);
  }

  get access(): Access {
    return this.#wire.access;
  }

  get ready(): boolean {
    return this.#wire.ready;
  }

  get resumed(): boolean {
    return this.#follower.isResumed;
  }

  isPermitted(access: Access): boolean {
    return access.mayReadAll(this.#follower.prefix);
  }

  asOfMs(): number | undefined {
    return this.#follower.asOfMs();
  }

  flush(): void {
    // No state is pending here: `onReady` asks the feed for what is next.
  }

  onReady(): void {
    this.#follower.onReady();
  }

  onHeartbeat(): void {
    const json = heartbeatJson(this.asOfMs(), this.#context.options.heartbeatMs);
    this.#send("heartbeat", json.slice(1));
  }

  leave(): void {
    this.#follower.leave();
    this.#context.watches.countCaller(this.#wire, -1);
  }

  onBegin(): void {
    // `subscribed` was sent already.
  }

  onFeedEvent(event: FeedEvent): void {
    this.#wire.onServed(this);
    if (event.type === "removed") this.#send("removed", removalBody(event.operation.id));
    else {
      const frame = bodyFrame({ ...this.#place(), operation_id: event.operation.id }, event);
      this.#wire.sendFrame(event.type, frame);
    }
  }

  onFeedProblem(problem: Problem): void {
    this.#wire.send("problem", { ...this.#place(), problem });
  }

  onCaughtUp(): void {
    this.onHeartbeat();
  }

  /** @param body JSON after its opening brace */
  #send(type: string, body: string): void {
    this.#wire.sendFrame(type, bodyFrame(this.#place(), body));
  }

  #place(): Readonly<Record<string, unknown>> {
    return { sub: this.sub, cursor: this.#follower.cursor() };
  }
}
