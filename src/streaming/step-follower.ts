import type { Step } from "./step.ts";
import type { StepPosition } from "./step-position.ts";

/** Why a history is not the one that a subscriber was following. */
export type ResetReason = "continued_as_new" | "rewound" | "replaced" | "rewritten";

/** Who follows the steps of one operation. Called synchronously; must not throw. */
export interface StepSubscriber {
  /** False while the client does not keep up with what was sent. */
  readonly ready: boolean;
  onStep(step: Step): void;
  /** The history begins anew; `lastSeq` steps of the former one were sent. */
  onReset(lastSeq: number, isOtherExecution: boolean): void;
  /** All steps were sent that a read begun at `beganAtMs` could find. */
  onPresent(beganAtMs: number, isOver: boolean): void;
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

  /** A pass over the history begins, from its first entry. */
  beginPass(): void {
    this.#aligned = this.#position === undefined;
    this.#lost = false;
  }

  /** Takes the next step of the pass. */
  take(step: Step): void {
    if (this.#lost) return;
    const mine = this.#position;
    if (mine && mine.execution !== step.position.execution) this.#reset(true);
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
    this.#reset(false);
  }

  #align(step: Step): void {
    const mine = this.#position;
    if (mine?.seq !== step.position.seq) return;
    if (mine.digest === step.position.digest) {
      this.#aligned = true; // H2
      return;
    }
    this.#reset(false);
    // The pass is past what it now needs first.
    this.#lost = true;
  }

  #send(step: Step): void {
    this.#position = step.position;
    this.#subscriber.onStep(step);
  }

  #reset(isOtherExecution: boolean): void {
    const lastSeq = this.#position?.seq ?? 0;
    this.#position = undefined;
    this.#aligned = true;
    this.#subscriber.onReset(lastSeq, isOtherExecution);
  }
}
