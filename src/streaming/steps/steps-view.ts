import { HistoryNotKeptError, HistoryUnavailableError, type Problem } from "../../errors.ts";
import type { Cursor } from "../cursor.ts";
import type { Hub } from "../hub.ts";
import type { Subscription } from "../subscription.ts";
import { EARLIER_INCARNATION, parseStepPosition, withStepPosition } from "./position.ts";
import type { Step } from "./step.ts";
import {
  type Break,
  StepFollower,
  type StepSubscriber,
  type StepTrouble,
} from "./step-follower.ts";
import type { FollowedSteps } from "./step-sources.ts";

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
  /** Steps cannot be read; the status goes on. */
  onStepProblem(problem: Problem): void;
  /** What was told to be over has begun anew: its status is to be followed again. */
  onRevived(): void;
  /** All steps of an operation that is over were sent. */
  onStepsOver(): void;
}

/** Why a history is not the one that a client was following. */
type ResetReason = "continued_as_new" | "rewound" | "replaced" | "rewritten";

/** A history may be stored so much later than the end that it led to; else it has none. */
const MAX_LATE_MS = 4000;
const READ_AGAIN_MIN_MS = 100;

/**
 * The steps of one operation beside its status, on one stream. It begins when the status is known,
 * and is over when the status is, and the history has been sent to its end.
 */
export class StepsView implements StepSubscriber {
  readonly #hub: Hub;
  readonly #sink: StepsSink;
  readonly #payloads: boolean;
  readonly #follower: StepFollower;
  #followed: FollowedSteps | undefined;
  /** The life of the operation that is shown, and the one that the last step sent belongs to. */
  #status: Cursor | undefined;
  #toldOfMs: number | undefined;
  #toldStartedAtMs: number | undefined;
  /** The end after which the operation is thought to have begun anew. */
  #undone: Cursor | undefined;
  /** Whether it waits to hear of that. */
  #reviving = false;
  /** The last failure that was told. */
  #failure: Cursor | undefined;
  /** Whether it was undone since the last step. */
  #rewound = false;
  /** When the status was over, by `performance.now()`. */
  #endedAtMs: number | undefined;
  #readAgain: NodeJS.Timeout | undefined;
  #trouble: StepTrouble | undefined;
  #left = false;

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
    if (former?.status === "FAILED") this.#failure = former;
    const position = former && parseStepPosition(after);
    if (position?.execution !== EARLIER_INCARNATION) this.#toldOfMs = former?.createdAtMs;
    this.#follower = new StepFollower(this, position);
  }

  get ready(): boolean {
    return !this.#reviving && this.#sink.ready;
  }

  /** The id of an event, under the status that the client has. */
  idUnder(status: Cursor | undefined): string | undefined {
    const { position } = this.#follower;
    if (!status || !position || !this.#isOfFormerLife(status)) {
      return status && withStepPosition(status.text, position);
    }
    // Under a status of this life nothing else would tell whose steps these were.
    return withStepPosition(status.text, { ...position, execution: EARLIER_INCARNATION });
  }

  /** Where the operation stands has been told, or was known. */
  onStatus({ id, position }: Subscription): void {
    // What it was told may have been too much for the client, which is then gone.
    if (this.#left) return;
    this.#status = position;
    if (this.#failure && this.#failure.text !== position?.text) this.#rewound = true;
    this.#failure = position?.status === "FAILED" ? position : undefined;
    this.#reviving = false;
    if (this.#followed) this.#followed.nudge();
    else this.#followed = this.#hub.steps.follow(id, this.#follower);
  }

  /** The status is over; what is left are the steps. */
  onStatusOver(): void {
    this.#endedAtMs = performance.now();
    if (this.#trouble === "not-kept") this.#sink.onStepsOver();
    else this.#followed?.hurry();
  }

  /** The client has caught up with what was sent. */
  onReady(): void {
    this.#followed?.nudge();
  }

  leave(): void {
    this.#left = true;
    clearTimeout(this.#readAgain);
    this.#followed?.leave();
    this.#followed = undefined;
  }

  expects({ startedAtMs }: Step): boolean {
    const status = this.#status;
    if (this.#endedAtMs === undefined || status === undefined) return true;
    // Asked about the same end once more, the scheduler would say the same.
    if ((startedAtMs ?? 0) <= status.lastUpdatedAtMs || this.#undone?.text === status.text) {
      return true;
    }
    this.#undone = status;
    this.#endedAtMs = undefined;
    this.#reviving = true;
    clearTimeout(this.#readAgain);
    this.#sink.onRevived();
    return false;
  }

  onStep(step: Step): void {
    this.#trouble = undefined;
    this.#toldOfMs = this.#status?.createdAtMs;
    this.#toldStartedAtMs = step.startedAtMs;
    this.#sink.onStepEvent("step", step.body(this.#payloads));
  }

  onReset(found: Break): void {
    const reason = this.#reasonOf(found);
    this.#rewound = false;
    // The status may tell of it only now.
    if (reason === "rewound") this.#failure = undefined;
    const body = JSON.stringify({ type: "reset", reason, last_seq: found.lastSeq }).slice(1);
    this.#sink.onStepEvent("reset", body);
  }

  onPresent(beganAtMs: number, isOver: boolean): void {
    this.#trouble = undefined;
    clearTimeout(this.#readAgain);
    if (this.#endedAtMs === undefined || beganAtMs < this.#endedAtMs) return;
    const lateMs = beganAtMs - this.#endedAtMs;
    if (isOver || lateMs >= MAX_LATE_MS) {
      this.#sink.onStepsOver();
      return;
    }
    const delayMs = Math.min(Math.max(READ_AGAIN_MIN_MS, lateMs), MAX_LATE_MS - lateMs);
    this.#readAgain = setTimeout(() => this.#followed?.hurry(), delayMs);
  }

  onStepTrouble(trouble: StepTrouble): void {
    if (this.#trouble === trouble) return;
    this.#trouble = trouble;
    const error =
      trouble === "not-kept" ? new HistoryNotKeptError() : new HistoryUnavailableError();
    this.#sink.onStepProblem(error.toProblem());
    if (trouble === "not-kept" && this.#endedAtMs !== undefined) this.#sink.onStepsOver();
  }

  /** Whether the last step sent is from before the operation was created, as `status` has it. */
  #isOfFormerLife({ createdAtMs }: Cursor): boolean {
    return this.#toldOfMs !== createdAtMs && (this.#toldStartedAtMs ?? 0) < createdAtMs;
  }

  #reasonOf({ isOtherExecution, startedAtMs, sentAtMs }: Break): ResetReason {
    if (this.#status && this.#isOfFormerLife(this.#status)) return "replaced";
    if (!isOtherExecution) return "rewritten";
    // What began before steps that were sent, or with the operation itself, continues nothing.
    const latestMs = Math.max(sentAtMs ?? 0, (this.#status?.createdAtMs ?? 0) + 1);
    const isOld = startedAtMs !== undefined && startedAtMs < latestMs;
    return this.#rewound || isOld ? "rewound" : "continued_as_new";
  }
}
