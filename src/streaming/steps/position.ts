import type { HistoryEntry } from "../../dts/history.ts";
import { shortHash } from "../operation/short-hash.ts";

/** A place in one history: after the first `seq` steps of `execution`. `digest` identifies these steps. */
export interface StepPosition {
  /** Hash of the execution's id: six base-36 digits. */
  readonly execution: string;
  readonly seq: number;
  /** Hash of all steps so far: ten base-36 digits. */
  readonly digest: string;
}

/** The position before the first step of any history. */
export const START: StepPosition = { execution: "0".repeat(6), seq: 0, digest: "0".repeat(10) };

/** Execution of a position that belongs to an earlier incarnation of the operation's id. */
export const EARLIER_INCARNATION = "zzzzzz";

/** The last three fields of an id, after a status cursor of any format. */
const SUFFIX = /\.([0-9a-z]{6})\.([0-9a-z]{1,6})\.([0-9a-z]{10})$/;

/** The position at the end of an id, or `START` if there is none. */
export function parseStepPosition(id: string | undefined): StepPosition {
  const [, execution, digits, digest] = SUFFIX.exec(id ?? "") ?? [];
  const seq = Number.parseInt(digits ?? "0", 36);
  return execution && digest && seq > 0 ? { execution, seq, digest } : START;
}

/** The id of an event: a status cursor, then a position. */
export function withStepPosition(cursor: string, position: StepPosition): string {
  return `${cursor}.${position.execution}.${position.seq.toString(36)}.${position.digest}`;
}

export function executionTag(executionId: string | undefined): string {
  return shortHash(executionId ?? "", 6);
}

/** The digest of all steps up to `entry`, from the one before it. Any difference in them changes it. */
export function nextDigest(digest: string, entry: HistoryEntry): string {
  const { type, eventId, atMs, name, completes, status, failure, input, output } = entry;
  const fields = [digest, type, eventId, atMs, name, completes, status, failure, input, output];
  return shortHash(JSON.stringify(fields), 10);
}
