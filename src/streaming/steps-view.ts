import type { Cursor } from "./cursor.ts";
import type { Hub } from "./hub.ts";
import type { Step } from "./step.ts";
import { type ResetReason, StepFollower, type StepSubscriber } from "./step-follower.ts";
import { parseStepPosition, withStepPosition } from "./step-position.ts";
import type { FollowedSteps } from "./step-sources.ts";
import type { Subscription } from "./subscription.ts";

/** What a client wants to see of an operation's steps. */
export interface StepsWanted {
  /** Whether what went in and came out is told too. */
  readonly payloads: boolean;
}

/** The stream that shows the steps. */
export interface StepsSink {
  readonly ready: boolean;
  /** @param body the event's JSON after its opening brace */
  onStepEvent(type: "step" | "reset", body: string): void;
  /** All steps of an operation that is over were sent. */
  onStepsOver(): void;
}

/** So many reads may find no end in the history of an operation that is over; then there is none. */
const MAX_READS_PAST_END = 5;

/**
 * The steps of one operation beside its status, on one stream. It begins when the status is known,
 * and is over when the status is, and the history has been sent to its end.
 */
export class StepsView implements StepSubscriber {
  readonly #hub: Hub;
  readonly #sink: StepsSink;
  readonly #payloads: boolean;
  readonly #former: Cursor | undefined;
  readonly #follower: StepFollower;
  #followed: FollowedSteps | undefined;
  /** The life of the operation that is shown, and the one that the last step sent belongs to. */
  #createdAtMs = 0;
  #toldOfMs: number | undefined;
  #endedAtMs: number | undefined;
  #readsPastEnd = 0;

  /** @param after the id that the client came with, and `former`, the status cursor in it */
  constructor(
    hub: Hub,
    sink: StepsSink,
    wanted: StepsWanted,
    after: string | undefined,
    former: Cursor | undefined,
  ) {
    this.#hub = hub;
    this.#sink = sink;
    this.#payloads = wanted.payloads;
    this.#former = former;
    this.#toldOfMs = former?.createdAtMs;
    this.#follower = new StepFollower(this, former && parseStepPosition(after));
  }

  get ready(): boolean {
    return this.#sink.ready;
  }

  /** The id of an event, under the status that the client has. */
  idUnder(status: Cursor | undefined): string | undefined {
    return status && withStepPosition(status.text, this.#follower.position);
  }

  /** Where the operation stands has been told, or was known. */
  onStatus({ id, position }: Subscription): void {
    this.#createdAtMs = position?.createdAtMs ?? 0;
    this.#followed ??= this.#hub.steps.follow(id, this.#follower);
  }

  /** The status is over; what is left are the steps. */
  onStatusOver(): void {
    this.#endedAtMs = Date.now();
    this.#followed?.moved();
  }

  /** The client has caught up with what was sent. */
  onReady(): void {
    this.#followed?.nudge();
  }

  leave(): void {
    this.#followed?.leave();
    this.#followed = undefined;
  }

  onStep(step: Step): void {
    this.#toldOfMs = this.#createdAtMs;
    this.#sink.onStepEvent("step", step.body(this.#payloads));
  }

  onReset(lastSeq: number, isOtherExecution: boolean): void {
    const reason = isOtherExecution ? this.#reason() : "rewritten";
    const body = JSON.stringify({ type: "reset", reason, last_seq: lastSeq }).slice(1);
    this.#sink.onStepEvent("reset", body);
  }

  onPresent(beganAtMs: number, isOver: boolean): void {
    if (this.#endedAtMs === undefined || beganAtMs < this.#endedAtMs) return;
    this.#readsPastEnd += 1;
    // A history may be stored a little later than the state that it led to.
    if (isOver || this.#readsPastEnd >= MAX_READS_PAST_END) this.#sink.onStepsOver();
    else this.#followed?.moved();
  }

  #reason(): ResetReason {
    if (this.#toldOfMs !== this.#createdAtMs) return "replaced";
    return this.#former?.status === "FAILED" ? "rewound" : "continued_as_new";
  }
}
