import { OperationNotFoundError, type Problem } from "../../../problems.ts";
import { cursorResume, parseCursor } from "../../operation/cursor.ts";
import type { Operation } from "../../operation/operation.ts";
import type { StateEvent } from "../../operation/state-event.ts";
import type { Requester } from "../../reading/fair-queue.ts";
import { type StepsSink, StepsView } from "../../steps/steps-view.ts";
import type { EndReason, Subscriber, Subscription } from "../../watching/subscription.ts";
import type { StreamContext } from "../stream-context.ts";
import { bodyFrame, type SubscribeMessage, stateFrame } from "./ws-protocol.ts";

/** What a subscription needs of its connection. */
export interface WsWire extends Requester {
  /** False while the client does not keep up with what was sent. */
  readonly ready: boolean;
  send(type: string, members: Readonly<Record<string, unknown>>): void;
  /** Sends a prepared frame; `type` is what it counts as, with the changes that were merged into it. */
  sendFrame(type: string, frame: Buffer, coalesced?: number): void;
  /** This subscription was sent a state or a step. */
  onServed(subscription: WsSubscription): void;
  /** It has ended, and its name can be used again. */
  onOver(subscription: WsSubscription, reason: EndReason): void;
}

/** One subscription of a WebSocket: an operation under a name that the client chose. */
export class WsSubscription implements Subscriber, StepsSink {
  readonly sub: string;
  readonly operationId: string;
  readonly #watches: StreamContext["watches"];
  readonly #wire: WsWire;
  #subscription: Subscription;
  readonly #steps: StepsView | undefined;

  constructor(
    { watches, steps: sources }: StreamContext,
    wire: WsWire,
    { sub, operationId, after, steps }: SubscribeMessage,
  ) {
    const former = parseCursor(after, operationId);
    this.sub = sub;
    this.operationId = operationId;
    this.#watches = watches;
    this.#wire = wire;
    this.#steps = steps && new StepsView(sources, this, steps, after, former);
    this.#subscription = watches.subscribe(operationId, this, former && cursorResume(former), wire);
  }

  get ready(): boolean {
    return this.#wire.ready;
  }

  get subscription(): Subscription {
    return this.#subscription;
  }

  /** The state that waits for the client. */
  get pending(): Operation | undefined {
    return this.#subscription.pending;
  }

  /** Sends the pending state. */
  flush(): void {
    this.#subscription.flush();
  }

  /** The client can be sent more, and no state is pending. */
  onReady(): void {
    this.#steps?.onReady();
  }

  /** Stops it. To be called once. */
  leave(): void {
    this.#watches.unsubscribe(this.#subscription);
    this.#steps?.leave();
  }

  onEvent(event: StateEvent): void {
    const frame = this.#steps ? bodyFrame(this.#address(), event) : stateFrame(this.sub, event);
    this.#wire.onServed(this);
    this.#wire.sendFrame(event.type, frame, event.coalesced);
    this.#steps?.onStatus(this.#subscription);
  }

  onUnchanged(): void {
    // `subscribed` has answered it already.
    this.#steps?.onStatus(this.#subscription);
  }

  onEnd(reason: EndReason): void {
    if (reason === "terminal" && this.#steps) {
      this.#steps.onStatusOver();
      return;
    }
    if (reason === "not-found") {
      const problem = new OperationNotFoundError(this.operationId).toProblem();
      this.#wire.send("problem", { ...this.#address(), problem });
    }
    this.#wire.onOver(this, reason);
  }

  onStepEvent(type: "step" | "reset", body: string): void {
    this.#wire.onServed(this);
    this.#wire.sendFrame(type, bodyFrame(this.#address(), body));
  }

  onStepProblem(problem: Problem): void {
    this.onOutage(problem);
  }

  onRestarted(): void {
    const { position } = this.#subscription;
    this.#watches.unsubscribe(this.#subscription);
    const resume = position && cursorResume(position);
    this.#subscription = this.#watches.subscribe(this.operationId, this, resume, this.#wire);
  }

  onStepsOver(): void {
    this.#wire.onOver(this, "terminal");
  }

  onOutage(problem: Problem): void {
    this.#wire.send("problem", { ...this.#address(), problem });
  }

  onRecovered(): void {
    // The next state, or the `as_of` of the next heartbeat, shows it.
  }

  /** With steps every frame has the cursor to resume from: that of a document is not enough. */
  #address(): Readonly<Record<string, unknown>> {
    const cursor = this.#steps?.idUnder(this.#subscription.position);
    return { sub: this.sub, operation_id: this.operationId, cursor };
  }
}
