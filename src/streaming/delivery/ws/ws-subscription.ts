import type { Access } from "../../../access.ts";
import type { Operation } from "../../operation/operation.ts";
import type { Requester } from "../../reading/fair-queue.ts";
import type { EndReason } from "../../watching/subscription.ts";

/** What a client follows on a WebSocket under a name that it chose. */
export interface WsSubscription {
  readonly sub: string;
  /** Whether it continues from the client's position. */
  readonly resumed: boolean;
  /** The state that waits for the client, where it follows one operation. */
  readonly pending: Operation | undefined;
  /** What is followed, as messages about the subscription itself name it. */
  readonly address: Readonly<Record<string, unknown>>;
  isPermitted(access: Access): boolean;
  /** No change older than this, in epoch milliseconds, is missing from what was sent. */
  asOfMs(): number | undefined;
  /** Sends the pending state. */
  flush(): void;
  /** The client can be sent more, and no state is pending. */
  onReady(): void;
  /** It is time for a heartbeat of the connection. */
  onHeartbeat(): void;
  /** Stops it. To be called once. */
  leave(): void;
}

/** What a subscription needs of its connection. */
export interface WsWire extends Requester {
  /** False while the client does not keep up with what was sent. */
  readonly ready: boolean;
  send(type: string, members: Readonly<Record<string, unknown>>): void;
  /** Sends a prepared frame; `type` is what it counts as, with the changes that were merged into it. */
  sendFrame(type: string, frame: Buffer, coalesced?: number): void;
  /** This subscription was sent something of what it follows. */
  onServed(subscription: WsSubscription): void;
  /** It has ended, and its name can be used again. */
  onOver(subscription: WsSubscription, reason: EndReason): void;
}
