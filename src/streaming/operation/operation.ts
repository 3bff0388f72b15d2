import type { Instance, InstanceRead } from "../../dts/instance.ts";
import { type Cursor, cursorOf } from "./cursor.ts";
import { documentOf, type OperationState } from "./document.ts";
import { documentStatus, isTerminal, type OperationStatus } from "./operation-status.ts";

/**
 * One state of one operation: what was read, and its position. Immutable.
 *   OPERATION-1. What is watched is held once: neither its input nor its document is kept here.
 */
export class Operation implements OperationState {
  readonly cursor: Cursor;
  /** What it was made of. */
  readonly instance: Instance;

  constructor(instance: Instance, cursor: Cursor) {
    this.instance = instance;
    this.cursor = cursor;
  }

  get id(): string {
    return this.instance.id;
  }

  get status(): OperationStatus {
    return documentStatus(this.instance);
  }

  get terminal(): boolean {
    return isTerminal(this.cursor.status);
  }

  /** Its document, made at each use. A caller that sends it to many makes it once for all of them. */
  get json(): string {
    return documentOf(this);
  }

  /** Characters that it holds, about. */
  get size(): number {
    const { customStatus, output, failure } = this.instance;
    const payloads = [customStatus, output, failure?.type, failure?.message];
    return payloads.reduce((sum, text) => sum + (text?.length ?? 0), BARE_SIZE);
  }
}

/** What a read has found, for answers that are given once. All who have waited for the read share it. */
export class WholeOperation {
  readonly operation: Operation;
  /** Serialised JSON. */
  readonly input: string | undefined;
  /** Of a failure. */
  readonly stack: string | undefined;
  #json: string | undefined;

  constructor(operation: Operation, { input, stack }: Pick<InstanceRead, "input" | "stack">) {
    this.operation = operation;
    this.input = input;
    this.stack = stack;
  }

  /** The document of the operation, made once. */
  get json(): string {
    this.#json ??= this.operation.json;
    return this.#json;
  }
}

/** Characters of an operation without custom status, output and failure. */
const BARE_SIZE = 500;

/** The operation that a read has found. */
export function toOperation({ input: _, stack: __, ...instance }: InstanceRead): Operation {
  return new Operation(instance, cursorOf(instance)); // OPERATION-1
}

/** What was made of reads whose callers have not all been answered. */
const wholes = new WeakMap<InstanceRead, WholeOperation>();

/** The same with what is not kept; for each read it is made once. */
export function toWholeOperation(instance: InstanceRead): WholeOperation {
  const made = wholes.get(instance);
  if (made) return made;
  const whole = new WholeOperation(toOperation(instance), instance);
  wholes.set(instance, whole);
  return whole;
}
