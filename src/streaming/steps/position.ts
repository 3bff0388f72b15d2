import { hash } from "node:crypto";
import type { HistoryEntry } from "../../dts/history.ts";

/** A place in one history: `seq` steps of `execution`, which were exactly those of `digest`. */
export interface StepPosition {
  /** Six digits that stand for the execution's id. */
  readonly execution: string;
  /** Steps so far. */
  readonly seq: number;
  /** Ten digits over all steps so far. */
  readonly digest: string;
}

/** What the digest of no steps is. */
export const EMPTY_DIGEST = "0".repeat(10);

/** The position before the first step. */
const START: StepPosition = { execution: "0".repeat(6), seq: 0, digest: EMPTY_DIGEST };

/** Execution of a position that belongs to an earlier incarnation of the operation's id. */
export const EARLIER_INCARNATION = "zzzzzz";

/** The last three fields of an id, behind a status cursor of any format. */
const SUFFIX = /\.([0-9a-z]{6})\.([0-9a-z]{1,6})\.([0-9a-z]{10})$/;

/** The position at the end of an id. @returns undefined before the first step, or without a position */
export function parseStepPosition(id: string | undefined): StepPosition | undefined {
  const [, execution, digits, digest] = SUFFIX.exec(id ?? "") ?? [];
  const seq = Number.parseInt(digits ?? "0", 36);
  return execution && digest && seq > 0 ? { execution, seq, digest } : undefined;
}

/** The id of an event: a status cursor, then a position, also before the first step. */
export function withStepPosition(cursor: string, position: StepPosition = START): string {
  return `${cursor}.${position.execution}.${position.seq.toString(36)}.${position.digest}`;
}

export function executionTag(executionId: string | undefined): string {
  return digits(executionId ?? "", 6);
}

/** The digest of all steps up to `entry`, from the one before it: what differs in any of them shows. */
export function nextDigest(digest: string, entry: HistoryEntry): string {
  const { type, eventId, atMs, name, completes, status, failure, input, output } = entry;
  const told = [digest, type, eventId, atMs, name, completes, status, failure, input, output];
  return digits(JSON.stringify(told), 10);
}

function digits(text: string, count: number): string {
  const value = hash("sha256", text, "buffer").readUIntBE(0, 6);
  return (value % 36 ** count).toString(36).padStart(count, "0");
}
