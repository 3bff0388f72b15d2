import type { Access } from "../../../access.ts";
import { OperationNotFoundError, type Problem } from "../../../problems.ts";
import { cursorResume, parseCursor } from "../../operation/cursor.ts";
import type { Operation } from "../../operation/operation.ts";
import type { StateEvent } from "../../operation/state-event.ts";
import { type StepsSink, StepsView } from "../../steps/steps-view.ts";
import type { EndReason, Subscriber, Subscription } from "../../watching/subscription.ts";
import type { StreamContext } from "../stream-context.ts";
import { bodyFrame, type SubscribeOperation, stateFrame } from "./ws-protocol.ts";
import type { WsSubscription, WsWire } from "./ws-subscription.ts";

/** One operation on a WebSocket, with its steps if the client wants them. */
export class WsOperation implements WsSubscription, Subscriber, StepsSink {
  readonly sub: string;
  readonly resumed: boolean;
  readonly #operationId: string;
  readonly #watches: StreamContext["watches"];
  readonly #wire: WsWire;
  #subscription: Subscription;
  readonly #steps: StepsView | undefined;

  constructor(
    { watches, steps: sources }: StreamContext,
    wire: WsWire,
    { sub, operationId, after, steps }: SubscribeOperation,
  ) {
    const former = parseCursor(after, operationId);
    this.sub = sub;
    this.resumed = former !== undefined;
    this.#operationId = operationId;
    this.#watches = watches;
    this.#wire = wire;
    this.#steps = steps && new StepsView(sources, this, steps, after, former);
    this.#subscription = watches.subscribe(operationId, this, former && cursorResume(former), wire);
  }

  get ready(): boolean {
    return this.#wire.ready;
  }

  get address() {
    return { operation_id: this.#operationId };
  }

  get pending(): Operation | undefined {
    return this.#subscription.pending;
  }

  isPermitted(access: Access): boolean {
    return access.mayRead(this.#operationId);
  }

  asOfMs(): number | undefined {
    return this.#watches.asOfMs([this.#subscription]);
  }

  flush(): void {
    this.#subscription.flush();
  }

  onHeartbeat(): void {
    // The connection's says enough.
  }

  onReady(): void {
    this.#steps?.onReady();
  }

  leave(): void {
    this.#watches.unsubscribe(this.#subscription);
    this.#steps?.leave();
  }

  onEvent(event: StateEvent): void {
    const frame = this.#steps ? bodyFrame(this.#place(), event) : stateFrame(this.sub, event);
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
      const problem = new OperationNotFoundError(this.#operationId).toProblem();
      this.#wire.send("problem", { ...this.#place(), problem });
    }
    this.#wire.onOver(this, reason);
  }

  onStepEvent(type: "step" | "reset", body: string): void {
    this.#wire.onServed(this);
    this.#wire.sendFrame(type, bodyFrame(this.#place(), body));
  }

  onStepProblem(problem: Problem): void {
    this.onOutage(problem);
  }

  onRestarted(): void {
    const { position } = this.#subscription;
    this.#watches.unsubscribe(this.#subscription);
    const resume = position && cursorResume(position);
    this.#subscription = this.#watches.subscribe(this.#operationId, this, resume, this.#wire);
  }

  onStepsOver(): void {
    this.#wire.onOver(this, "terminal");
  }

  onOutage(problem: Problem): void {
    this.#wire.send("problem", { ...this.#place(), problem });
  }

  onRecovered(): void {
    // The next state, or the `as_of` of the next heartbeat, shows it.
  }

  /** With steps every frame has the cursor to resume from: that of a document is not enough. */
  #place(): Readonly<Record<string, unknown>> {
    const cursor = this.#steps?.idUnder(this.#subscription.position);
    return { sub: this.sub, ...this.address, cursor };
  }
}
