import { HistoryNotKeptError, HistoryUnavailableError, type Problem } from "../../problems.ts";
import type { Cursor } from "../operation/cursor.ts";
import type { Subscription } from "../watching/subscription.ts";
import { EARLIER_INCARNATION, parseStepPosition, withStepPosition } from "./position.ts";
import type { Step } from "./step.ts";
import {
  type HistoryBreak,
  type StepError,
  StepFollower,
  type StepSubscriber,
} from "./step-follower.ts";
import type { FollowedSteps, StepSources } from "./step-sources.ts";
import type { StepsWanted } from "./steps-wanted.ts";

/** The stream on which the steps are sent. */
export interface StepsSink {
  /** False while the client does not keep up with what was sent. */
  readonly ready: boolean;
  /** @param body the event's JSON without the opening brace */
  onStepEvent(type: "step" | "reset", body: string): void;
  /** Steps cannot be read. The status is still sent. */
  onStepProblem(problem: Problem): void;
  /** The operation was restarted after the terminal state that was sent. Subscribe to its status again. */
  onRestarted(): void;
  /** The status is terminal, and every step was sent. */
  onStepsOver(): void;
}

/** Why a history is not the one that a client was following. */
export const RESET_REASONS = ["continued_as_new", "rewound", "replaced", "rewritten"] as const;
type ResetReason = (typeof RESET_REASONS)[number];

type Phase =
  /** No step can be sent before the (new) status is known. */
  | { readonly kind: "status-unknown" }
  | { readonly kind: "active" }
  /** The terminal state was sent at `sinceMs` (`performance.now()`). Its last steps are missing. */
  | { readonly kind: "ending"; readonly sinceMs: number; readAgain?: NodeJS.Timeout }
  | { readonly kind: "left" };

/** Facts about the last step sent, which a reset is explained by. Empty after a reset. */
interface LastStep {
  /** Creation time of its incarnation, by the status that the client had then. */
  readonly createdAtMs?: number | undefined;
  readonly startedAtMs?: number | undefined;
  readonly atMs?: number | undefined;
}

/** A history may be stored this much later than the terminal state. After that it counts as complete. */
const MAX_LATE_MS = 4000;
const READ_AGAIN_MIN_MS = 100;

/**
 * The steps of one operation on one stream, beside its status. Steps begin when the status is known. The
 * stream is over when the status is terminal and every step was sent.
 *
 * This is the first file to read: the view decides what a stream sends. A `StepFollower` keeps its
 * position, and the `StepSource` of the operation reads the history for all followers.
 */
export class StepsView implements StepSubscriber {
  readonly #sources: StepSources;
  readonly #sink: StepsSink;
  readonly #payloads: boolean;
  readonly #follower: StepFollower;
  #followed: FollowedSteps | undefined;
  #phase: Phase = { kind: "status-unknown" };
  #status: Cursor | undefined;
  #lastStep: LastStep = {};
  /** The terminal state that was found to be followed by a restart. */
  #restartedAfter: string | undefined;
  /** The present status if it is a failure. */
  #failure: Cursor | undefined;
  /** Whether a failure of the present incarnation was undone since the last reset. */
  #rewound = false;
  /** The error that was sent, until steps can be read again. */
  #error: StepError | undefined;

  /** @param after the id that the client resumes from, and `former`, the status cursor in it */
  constructor(
    sources: StepSources,
    sink: StepsSink,
    wanted: StepsWanted,
    after: string | undefined,
    former: Cursor | undefined,
  ) {
    this.#sources = sources;
    this.#sink = sink;
    this.#payloads = wanted.payloads;
    if (former?.status === "FAILED") this.#failure = former;
    const position = parseStepPosition(former && after);
    if (position.seq > 0 && position.execution !== EARLIER_INCARNATION) {
      this.#lastStep = { createdAtMs: former?.createdAtMs };
    }
    this.#follower = new StepFollower(this, position);
  }

  get ready(): boolean {
    return this.#phase.kind !== "status-unknown" && this.#sink.ready;
  }

  /** The id of an event that is sent while the client has this status. */
  idUnder(status: Cursor | undefined): string | undefined {
    const { position } = this.#follower;
    if (!status || position.seq === 0 || !this.#isOfEarlierIncarnation(status)) {
      return status && withStepPosition(status.text, position);
    }
    // The creation time in the status does not show that the steps are of an earlier incarnation.
    return withStepPosition(status.text, { ...position, execution: EARLIER_INCARNATION });
  }

  /** The status was sent, or the client has it already. */
  onStatus({ id, position: status }: Subscription): void {
    // A client that is too slow for the status is disconnected while it is sent.
    if (this.#phase.kind === "left") return;
    if (this.#status?.createdAtMs !== status?.createdAtMs) this.#rewound = false;
    this.#status = status;
    const failure = this.#failure;
    if (failure && failure.text !== status?.text) {
      this.#rewound ||= failure.createdAtMs === status?.createdAtMs;
    }
    this.#failure = status?.status === "FAILED" ? status : undefined;
    this.#enter({ kind: "active" });
    if (this.#followed) this.#followed.nudge();
    else this.#followed = this.#sources.follow(id, this.#follower);
  }

  /** The status is terminal. */
  onStatusOver(): void {
    if (this.#phase.kind === "left") return;
    this.#enter({ kind: "ending", sinceMs: performance.now() });
    if (this.#error === "not-kept") this.#sink.onStepsOver();
    else this.#followed?.hurry();
  }

  /** The client has caught up with what was sent. */
  onReady(): void {
    this.#followed?.nudge();
  }

  leave(): void {
    this.#enter({ kind: "left" });
    this.#followed?.leave();
    this.#followed = undefined;
  }

  expects(startedAtMs: number | undefined): boolean {
    const status = this.#status;
    if (this.#phase.kind !== "ending" || !status) return true;
    if ((startedAtMs ?? 0) <= status.lastUpdatedAtMs) return true;
    // The status was read again, and it is still the same one.
    if (this.#restartedAfter === status.text) return true;
    this.#restartedAfter = status.text;
    this.#enter({ kind: "status-unknown" });
    this.#sink.onRestarted();
    return false;
  }

  onStep(step: Step): void {
    const { createdAtMs = this.#status?.createdAtMs, atMs } = this.#lastStep;
    this.#error = undefined;
    this.#lastStep = { createdAtMs, startedAtMs: step.startedAtMs, atMs: step.atMs ?? atMs };
    this.#sink.onStepEvent("step", step.body(this.#payloads));
  }

  onReset(found: HistoryBreak): void {
    const reason = this.#reasonOf(found);
    this.#lastStep = {};
    this.#rewound = false;
    // The status may show the rewind later than the steps do. It must not count twice.
    if (reason === "rewound") this.#failure = undefined;
    const body = JSON.stringify({ type: "reset", reason, last_seq: found.lastSeq }).slice(1);
    this.#sink.onStepEvent("reset", body);
  }

  onPresent(beganAtMs: number, isOver: boolean): void {
    const phase = this.#phase;
    this.#error = undefined;
    if (phase.kind !== "ending") return;
    clearTimeout(phase.readAgain);
    const lateMs = beganAtMs - phase.sinceMs;
    if (lateMs < 0) return;
    if (isOver || lateMs >= MAX_LATE_MS) {
      this.#sink.onStepsOver();
      return;
    }
    const delayMs = Math.min(Math.max(READ_AGAIN_MIN_MS, lateMs), MAX_LATE_MS - lateMs);
    phase.readAgain = setTimeout(() => this.#followed?.hurry(), delayMs);
  }

  onStepError(error: StepError): void {
    if (this.#error === error) return;
    this.#error = error;
    const problem =
      error === "not-kept" ? new HistoryNotKeptError() : new HistoryUnavailableError();
    this.#sink.onStepProblem(problem.toProblem());
    if (error === "not-kept" && this.#phase.kind === "ending") this.#sink.onStepsOver();
  }

  #enter(phase: Phase): void {
    if (this.#phase.kind === "ending") clearTimeout(this.#phase.readAgain);
    this.#phase = phase;
  }

  /** Whether the last step sent is of an incarnation before the one of `status`. */
  #isOfEarlierIncarnation(status: Cursor): boolean {
    const { createdAtMs, startedAtMs = 0 } = this.#lastStep;
    return createdAtMs !== status.createdAtMs && startedAtMs < status.createdAtMs;
  }

  #reasonOf({ isOtherExecution, startedAtMs }: HistoryBreak): ResetReason {
    if (this.#status && this.#isOfEarlierIncarnation(this.#status)) return "replaced";
    if (!isOtherExecution) return "rewritten";
    // An execution that continues as new starts after the steps of the former one, and after creation.
    const latestMs = Math.max(this.#lastStep.atMs ?? 0, (this.#status?.createdAtMs ?? 0) + 1);
    const isOld = startedAtMs !== undefined && startedAtMs < latestMs;
    return this.#rewound || isOld ? "rewound" : "continued_as_new";
  }
}
