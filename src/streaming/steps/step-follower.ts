import { START, type StepPosition } from "./position.ts";
import type { Step } from "./step.ts";

/** How a history differs from the one that a subscriber was following. */
export interface HistoryBreak {
  /** Steps of the former history that were sent, on this connection and earlier ones. */
  readonly lastSeq: number;
  readonly isOtherExecution: boolean;
  /** Start of the present execution in epoch milliseconds, if known. */
  readonly startedAtMs: number | undefined;
}

/** Why steps cannot be read: not at present, or never from this scheduler. */
export type StepError = "unavailable" | "not-kept";

/** Receives the steps of one operation. Called synchronously; must not throw. */
export interface StepSubscriber {
  /** False while it cannot take a step. */
  readonly ready: boolean;
  /**
   * Whether an execution that started at this time can belong to the status that the subscriber has.
   * If not, the subscriber is not ready until it has a newer status; a later pass sends the step.
   */
  expects(startedAtMs: number | undefined): boolean;
  onStep(step: Step): void;
  /** The steps of another history follow, from the first. */
  onReset(found: HistoryBreak): void;
  /**
   * Every step that a read found was sent.
   * @param beganAtMs when the read began, by `performance.now()`
   */
  onPresent(beganAtMs: number, isOver: boolean): void;
  /** May be called repeatedly with the same error. Nothing follows `not-kept`. */
  onStepError(error: StepError): void;
}

/**
 * The position of one subscriber in the history of one operation.
 *   STEPS-1. Steps are sent in order, each once, from the first or after `position`.
 *   STEPS-2. Nothing is sent after a position until the history being read has led to it.
 *   STEPS-3. A history that does not lead there is sent from its first step, after `onReset`.
 */
export class StepFollower {
  readonly #subscriber: StepSubscriber;
  #position: StepPosition;
  #pass: "before-position" | "sending" | "missed-a-step" = "missed-a-step";
  #left = false;

  constructor(subscriber: StepSubscriber, position: StepPosition) {
    this.#subscriber = subscriber;
    this.#position = position;
  }

  /** The position after the last step sent. */
  get position(): StepPosition {
    return this.#position;
  }

  /** Whether it can take a step. */
  get ready(): boolean {
    return this.#subscriber.ready;
  }

  /** Whether the next step of the current pass is to be sent to it. */
  get takesNext(): boolean {
    return this.#pass === "sending";
  }

  /** Whether it has missed a step of the current pass, which has nothing more for it then. */
  get hasMissed(): boolean {
    return this.#pass === "missed-a-step";
  }

  /** Stops all calls of the subscriber, also when it leaves inside of one. */
  leave(): void {
    this.#left = true;
  }

  /** A pass over the history begins, from its first entry. */
  beginPass(): void {
    this.#pass = this.#position.seq === 0 ? "sending" : "before-position";
  }

  /** Takes the next step of the pass. */
  take(step: Step): void {
    if (this.#pass === "missed-a-step") return;
    const mine = this.#position;
    if (mine.execution !== step.position.execution) {
      if (!this.#subscriber.expects(step.startedAtMs)) {
        this.#pass = "missed-a-step";
        return;
      }
      if (mine.seq > 0) this.#reset(step.startedAtMs, true);
      if (this.#left) return;
    }
    if (this.#pass === "before-position") this.#compare(step);
    else if (this.#subscriber.ready) this.#send(step);
    else this.#pass = "missed-a-step";
  }

  /**
   * The pass is over.
   * @param end the position after its last step
   * @returns whether every step of it was sent
   */
  endPass(end: StepPosition, beganAtMs: number, isOver: boolean): boolean {
    if (this.#pass !== "sending" || this.#position.seq !== end.seq) return false;
    this.#subscriber.onPresent(beganAtMs, isOver);
    return true;
  }

  /** The history has become shorter, and stays so: it is another one (STEPS-3). */
  startOver(): void {
    this.#reset(undefined, false);
  }

  /** There is no history. Until there is one, nothing can be sent (STEPS-2). */
  endWithoutHistory(beganAtMs: number): void {
    this.#subscriber.onPresent(beganAtMs, false);
  }

  fail(error: StepError): void {
    this.#subscriber.onStepError(error);
  }

  #compare(step: Step): void {
    if (this.#position.seq !== step.position.seq) return;
    if (this.#position.digest === step.position.digest) {
      this.#pass = "sending"; // STEPS-2
      return;
    }
    this.#reset(step.startedAtMs, false);
    // This pass is past the first step, which it needs next.
    this.#pass = "missed-a-step";
  }

  #send(step: Step): void {
    this.#position = step.position;
    this.#subscriber.onStep(step);
  }

  #reset(startedAtMs: number | undefined, isOtherExecution: boolean): void {
    const lastSeq = this.#position.seq;
    this.#position = START;
    this.#pass = "sending";
    this.#subscriber.onReset({ lastSeq, isOtherExecution, startedAtMs });
  }
}
