import type { OperationDocument, Step } from "../../../client/wire.ts";
import type { Started } from "./operations.ts";

/**
 * What one client has seen of one operation, over all of its connections.
 *   SOAK-1. Versions never go back, and none is shown twice in a row.
 *   SOAK-2. The terminal state is shown exactly once, is the last one, and has the right result.
 *   SOAK-3. Steps are complete and in order.
 */
export class View {
  readonly operation: Started;
  readonly problems: string[] = [];
  /** Where to resume. */
  cursor: string | undefined;
  #last: OperationDocument | undefined;
  #isTerminal = false;
  /** Documents that were shown. */
  documents = 0;
  /** Steps that were shown; the `seq` of the last one. */
  steps = 0;

  constructor(operation: Started) {
    this.operation = operation;
  }

  get isTerminal(): boolean {
    return this.#isTerminal;
  }

  take(document: OperationDocument): void {
    this.documents += 1;
    const last = this.#last;
    const now = `${document.status} ${JSON.stringify(document.custom_status)} of ${document.last_updated}`;
    if (document.operation_id !== this.operation.id) {
      this.#problem(`got the document of ${document.operation_id}`);
      return;
    }
    if (this.#isTerminal) this.#problem(`got ${now} after the terminal state`);
    if (last) {
      if (document.cursor === last.cursor) this.#problem(`got ${now} twice in a row`);
      if (document.last_updated < last.last_updated) {
        this.#problem(`went back from ${last.last_updated} to ${now}`);
      }
      if (stepOf(document) < stepOf(last)) {
        this.#problem(`went back from step ${stepOf(last)} to ${now}`);
      }
    }
    this.#last = document;
    this.cursor = document.cursor;
    if (!TERMINAL.has(document.status)) return;
    this.#isTerminal = true;
    const wrong = this.operation.wrongResult(document);
    if (wrong) this.#problem(wrong);
  }

  takeStep({ seq }: Step): void {
    if (seq !== this.steps + 1) this.#problem(`got step ${seq} after step ${this.steps}`);
    this.steps = seq;
  }

  /** An operation of a soak runs once and is never rewound. */
  takeReset(reason: string): void {
    this.#problem(`steps began again: ${reason}`);
    this.steps = 0;
  }

  /** The server says that nothing more will come. */
  end(): void {
    if (!this.#isTerminal) this.#problem("ended without the terminal state");
  }

  #problem(what: string): void {
    this.problems.push(`${this.operation.id} ${what}`);
  }
}

const TERMINAL: ReadonlySet<string> = new Set(["Completed", "Failed", "TERMINATED", "CANCELED"]);

function stepOf({ custom_status }: OperationDocument): number {
  return (custom_status as { step?: number } | undefined)?.step ?? 0;
}
