import { hash } from "node:crypto";
import type { HistoryEntry } from "../dts/history.ts";

/** A place in one history: `seq` steps of `execution`, which were exactly those of `digest`. */
export interface StepPosition {
  /** Six digits that stand for the execution's id. */
  readonly execution: string;
  /** Steps so far. */
  readonly seq: number;
  /** Ten digits over all steps so far. */
  readonly digest: string;
}

/** In place of an execution: one that belongs to a former life of the operation's id. */
export const FORMER_LIFE = "zzzzzz";

const SUFFIX = /\.([0-9a-z]{6})\.([0-9a-z]{1,6})\.([0-9a-z]{10})$/;

/** The position that follows a status cursor in an id, if there is one. */
export function parseStepPosition(text: string | undefined): StepPosition | undefined {
  const [, execution, seq, digest] = SUFFIX.exec(text ?? "") ?? [];
  if (!execution || !seq || !digest || /^0+$/.test(seq)) return undefined;
  return { execution, seq: Number.parseInt(seq, 36), digest };
}

/** A status cursor with a position behind it; without one, the steps are yet to begin. */
export function withStepPosition(cursor: string, position: StepPosition | undefined): string {
  if (!position) return cursor;
  return `${cursor}.${position.execution}.${position.seq.toString(36)}.${position.digest}`;
}

export function executionTag(executionId: string | undefined): string {
  return digits(executionId ?? "", 6);
}

/** What the digest of no steps is. */
export const EMPTY_DIGEST = "0".repeat(10);

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
