import type { Access } from "../../../access.ts";
import { OperationNotFoundError, type Problem } from "../../../problems.ts";
import { cursorResume, parseCursor } from "../../operation/cursor.ts";
import type { StateEvent } from "../../operation/state-event.ts";
import type { Requester } from "../../reading/fair-queue.ts";
import { type StepsSink, StepsView } from "../../steps/steps-view.ts";
import type { StepsWanted } from "../../steps/steps-wanted.ts";
import type { EndReason, Subscriber, Subscription } from "../../watching/subscription.ts";
import type { StreamContext } from "../stream-context.ts";
import type { SseClient, StreamContent } from "./sse-connection.ts";
import { stateChunk, stateChunkUnder } from "./sse-format.ts";
import { type Opened, SseOpening } from "./sse-opening.ts";

/** What a client requests. */
export interface OperationWanted {
  readonly id: string;
  /** The last id of its earlier stream, as it sent it. */
  readonly after: string | undefined;
  /** Default: the status alone. */
  readonly steps?: StepsWanted | undefined;
}

/**
 * Opens the stream of one operation.
 * @returns `nothing-left` where the client has the terminal state: the response is 204
 * @throws OperationNotFoundError where there is no such operation and nothing was written yet
 */
export function openOperationStream(
  context: StreamContext,
  client: SseClient,
  wanted: OperationWanted,
): Promise<Opened> {
  return new OperationStream(context, client, wanted).opened;
}

/** One operation for one SSE client. Its ids are cursors of the status and, if requested, the steps. */
class OperationStream implements Subscriber, StepsSink, StreamContent, Requester {
  readonly #context: StreamContext;
  readonly resumed: boolean;
  readonly access: Access;
  #subscription: Subscription;
  readonly #opening: SseOpening;
  readonly #steps: StepsView | undefined;

  constructor(context: StreamContext, client: SseClient, { id, after, steps }: OperationWanted) {
    const { watches } = context;
    const former = parseCursor(after, id);
    this.resumed = former !== undefined;
    this.#context = context;
    this.#opening = new SseOpening(client, this, context);
    this.#steps = steps && new StepsView(context.steps, this, steps, after, former);
    this.access = client.access;
    this.#subscription = watches.subscribe(id, this, former && cursorResume(former), this);
  }

  get opened(): Promise<Opened> {
    return this.#opening.result;
  }

  get ready(): boolean {
    return this.#opening.connection?.ready ?? true;
  }

  onEvent(event: StateEvent): void {
    const chunk = this.#steps ? stateChunkUnder(this.cursor(), event) : stateChunk(event);
    this.#opening.open().sendChunk(event.type, chunk, event.coalesced);
    this.#steps?.onStatus(this.#subscription);
  }

  onUnchanged(subscription: Subscription): void {
    this.#steps?.onStatus(subscription);
    // A terminal state ends the subscription next; then the response is a 204.
    queueMicrotask(() => {
      if (!subscription.ended) this.#opening.open();
    });
  }

  onEnd(reason: EndReason): void {
    const { connection } = this.#opening;
    if (reason === "terminal" && this.#steps) this.#steps.onStatusOver();
    else if (connection) connection.bye(reason);
    else if (reason === "terminal") this.#opening.nothingLeft();
    else this.#opening.refuse(new OperationNotFoundError(this.#subscription.id));
  }

  onStepEvent(type: "step" | "reset", body: string): void {
    const connection = this.#opening.open();
    connection.send({ event: type, id: this.cursor(), data: `{${body}` });
  }

  onStepProblem(problem: Problem): void {
    if (this.#opening.connection) this.onOutage(problem);
  }

  onRestarted(): void {
    const { watches } = this.#context;
    const { id, position } = this.#subscription;
    watches.unsubscribe(this.#subscription);
    const resume = position && cursorResume(position);
    this.#subscription = watches.subscribe(id, this, resume, this);
  }

  onStepsOver(): void {
    const { connection } = this.#opening;
    if (connection) connection.bye("terminal");
    else this.#opening.nothingLeft();
  }

  onOutage(problem: Problem): void {
    const data = JSON.stringify({ type: "problem", problem });
    this.#opening.open().send({ event: "problem", id: this.cursor(), data });
  }

  onRecovered(): void {
    // The next state, or the `as_of` of the next heartbeat, shows it.
  }

  cursor(): string | undefined {
    const { position } = this.#subscription;
    return this.#steps ? this.#steps.idUnder(position) : position?.text;
  }

  get subject() {
    return { operation: this.#subscription.id };
  }

  asOfMs(): number | undefined {
    return this.#context.watches.asOfMs([this.#subscription]);
  }

  onReady(): void {
    this.#subscription.flush();
    this.#steps?.onReady();
  }

  onClose(): void {
    this.#context.watches.unsubscribe(this.#subscription);
    this.#steps?.leave();
  }
}
