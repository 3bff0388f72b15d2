import type { StepPosition } from "./position.ts";
import type { Step } from "./step.ts";

/** In what a history differs from the one that a subscriber was following. */
export interface Break {
  /** So many steps of the former one were sent, here and on former connections. */
  readonly lastSeq: number;
  readonly isOtherExecution: boolean;
  /** When the present execution was started, in epoch milliseconds, if that is known. */
  readonly startedAtMs: number | undefined;
  /** The time of the last step sent on this connection. */
  readonly sentAtMs: number | undefined;
}

/** Why steps cannot be read: not at present, or never from this scheduler. */
export type StepTrouble = "unavailable" | "not-kept";

/** Who follows the steps of one operation. Called synchronously; must not throw. */
export interface StepSubscriber {
  /** False while the client does not keep up with what was sent. */
  readonly ready: boolean;
  /**
   * Whether an execution may be what its status told of. Where not, it is not ready before it knows
   * better, and the step is left for another pass.
   */
  expects(first: Step): boolean;
  onStep(step: Step): void;
  /** The history begins anew. */
  onReset(found: Break): void;
  /**
   * All steps were sent that a read could find.
   * @param beganAtMs when the read began, by `performance.now()`
   */
  onPresent(beganAtMs: number, isOver: boolean): void;
  /** May be called again and again. Nothing follows `not-kept`. */
  onStepTrouble(trouble: StepTrouble): void;
}

/**
 * One subscriber's way through the history of one operation.
 *   H1. Steps are sent in order, each once, from the first or from behind `position`.
 *   H2. Nothing is sent behind a position before the history in hand was seen to lead to it.
 *   H3. A history that does not lead there is begun anew, after `onReset`.
 */
export class StepFollower {
  readonly #subscriber: StepSubscriber;
  #position: StepPosition | undefined;
  /** Whether the pass under way has come to `position` by the same steps. */
  #aligned = false;
  /** Whether it has missed a step of the pass under way, by not being ready or by a reset. */
  #lost = false;
  #sentAtMs: number | undefined;
  #left = false;

  constructor(subscriber: StepSubscriber, position: StepPosition | undefined) {
    this.#subscriber = subscriber;
    this.#position = position;
  }

  /** Where it stands; `undefined` before its first step. */
  get position(): StepPosition | undefined {
    return this.#position;
  }

  /** Whether it can take the next step. */
  get ready(): boolean {
    return this.#subscriber.ready;
  }

  /** Whether the next step of the pass under way is its own to be sent. */
  get takesNext(): boolean {
    return this.#aligned && !this.#lost;
  }

  /** Whether the pass under way has nothing more for it. */
  get lost(): boolean {
    return this.#lost;
  }

  /** Its subscriber is told no more, also where it leaves while it is told something. */
  leave(): void {
    this.#left = true;
  }

  /** A pass over the history begins, from its first entry. */
  beginPass(): void {
    this.#aligned = this.#position === undefined;
    this.#lost = false;
  }

  /** Takes the next step of the pass. */
  take(step: Step): void {
    if (this.#lost) return;
    const mine = this.#position;
    if (mine?.execution !== step.position.execution) {
      if (!this.#subscriber.expects(step)) {
        this.#lost = true;
        return;
      }
      if (mine) this.#reset(step, true);
      if (this.#left) return;
    }
    if (!this.#aligned) this.#align(step);
    else if (this.#subscriber.ready) this.#send(step);
    else this.#lost = true;
  }

  /**
   * The pass is over.
   * @param end behind its last step
   * @returns whether it has been sent all of it
   */
  endPass(end: StepPosition | undefined, beganAtMs: number, isOver: boolean): boolean {
    if (this.#lost || !this.#aligned || this.#position?.seq !== end?.seq) return false;
    this.#subscriber.onPresent(beganAtMs, isOver);
    return true;
  }

  /** The history has become shorter, and stays so: it is another one (H3). */
  startOver(): void {
    this.#reset(undefined, false);
  }

  /** There is no history, and stays none: until one is there, nothing is to be sent (H2). */
  endWithoutHistory(beganAtMs: number): void {
    this.#subscriber.onPresent(beganAtMs, false);
  }

  trouble(trouble: StepTrouble): void {
    this.#subscriber.onStepTrouble(trouble);
  }

  #align(step: Step): void {
    const mine = this.#position;
    if (mine?.seq !== step.position.seq) return;
    if (mine.digest === step.position.digest) {
      this.#aligned = true; // H2
      return;
    }
    this.#reset(step, false);
    // The pass is past what it now needs first.
    this.#lost = true;
  }

  #send(step: Step): void {
    this.#position = step.position;
    this.#sentAtMs = step.atMs ?? this.#sentAtMs;
    this.#subscriber.onStep(step);
  }

  #reset(next: Step | undefined, isOtherExecution: boolean): void {
    const lastSeq = this.#position?.seq ?? 0;
    const sentAtMs = this.#sentAtMs;
    this.#position = undefined;
    this.#sentAtMs = undefined;
    this.#aligned = true;
    const startedAtMs = next?.startedAtMs;
    this.#subscriber.onReset({ lastSeq, isOtherExecution, startedAtMs, sentAtMs });
  }
}
