import type { Instance, RuntimeStatus } from "../../dts/instance.ts";
import { isTerminal, shownStatus } from "./operation-status.ts";
import { shortHash } from "./short-hash.ts";

/**
 * A position in the history of one operation's states, derived only from what the scheduler stores
 * (C1), so that every replica computes the same one: `2.<created>.<updated>.<state>.<operation>`.
 * Times are milliseconds in base 36, padded to nine digits; `state` is a letter for the status and a
 * hash over status, custom status, output and failure; `operation` is a hash of the id.
 */
export interface Cursor {
  /** The cursor as clients see it. Opaque to them; at most 64 characters of `[0-9a-z.]`. */
  readonly text: string;
  readonly createdAtMs: number;
  readonly lastUpdatedAtMs: number;
  /** The status that viewers see. */
  readonly status: RuntimeStatus;
  /** Status letter and hash: equal exactly where a viewer would see no difference. */
  readonly state: string;
}

/** Letters of the statuses a viewer sees; a continue-as-new in progress is a running operation. */
const STATUS_LETTERS: Record<RuntimeStatus, string> = {
  PENDING: "p",
  RUNNING: "r",
  CONTINUED_AS_NEW: "r",
  SUSPENDED: "s",
  COMPLETED: "c",
  FAILED: "f",
  TERMINATED: "t",
  CANCELED: "x",
};
const STATUS_OF_LETTER = new Map<string, RuntimeStatus>(
  (Object.entries(STATUS_LETTERS) as [RuntimeStatus, string][])
    .filter(([status]) => status !== "CONTINUED_AS_NEW")
    .map(([status, letter]) => [letter, status]),
);

const TIME_DIGITS = 9;
const HASH_DIGITS = 10;
const OPERATION_DIGITS = 6;
/** A position among the steps may follow (steps/position.ts). It does not concern the status. */
const PATTERN = new RegExp(
  `^(2\\.([0-9a-z]{${TIME_DIGITS}})\\.([0-9a-z]{${TIME_DIGITS}})\\.(([prscftx])[0-9a-z]{${HASH_DIGITS}})` +
    `\\.([0-9a-z]{${OPERATION_DIGITS}}))(?:\\.[0-9a-z]{6}\\.[0-9a-z]{1,6}\\.[0-9a-z]{10})?$`,
);

export function cursorOf(instance: Instance): Cursor {
  const { id, createdAtMs, lastUpdatedAtMs } = instance;
  const letter = STATUS_LETTERS[shownStatus(instance)];
  const status = STATUS_OF_LETTER.get(letter) ?? instance.status;
  const state = letter + contentHash(letter, instance);
  const times = `${timeDigits(createdAtMs)}.${timeDigits(lastUpdatedAtMs)}`;
  return {
    text: `2.${times}.${state}.${shortHash(id, OPERATION_DIGITS)}`,
    createdAtMs,
    lastUpdatedAtMs,
    status,
    state,
  };
}

/** Reads the cursor that a client gives for operation `id`. One of another operation counts as none. */
export function parseCursor(text: string | undefined, id: string): Cursor | undefined {
  const [, own, created, updated, state, letter, operation] = PATTERN.exec(text ?? "") ?? [];
  const status = letter && STATUS_OF_LETTER.get(letter);
  if (!own || !created || !updated || !state || !status) return undefined;
  if (operation !== shortHash(id, OPERATION_DIGITS)) return undefined;
  return {
    text: own,
    createdAtMs: Number.parseInt(created, 36),
    lastUpdatedAtMs: Number.parseInt(updated, 36),
    status,
    state,
  };
}

/** What a subscriber that resumes is known to have received. */
export interface ResumePoint {
  /** Its exact position, if that is known: no earlier state is sent. */
  readonly position?: Cursor;
  /** Whether it has received this state. */
  covers(operation: { readonly id: string; readonly cursor: Cursor }): boolean;
}

/** The resume point of one operation's own cursor. */
export function cursorResume(position: Cursor): ResumePoint {
  return { position, covers: ({ cursor }) => isSameState(cursor, position) };
}

/** Whether a viewer sees no difference: a `last_updated` that moves alone makes no new state. */
export function isSameState(a: Cursor, b: Cursor): boolean {
  return a.createdAtMs === b.createdAtMs && a.state === b.state;
}

/** What orders states. */
type Place = Pick<Cursor, "createdAtMs" | "lastUpdatedAtMs" | "status">;

/**
 * Whether state `a` is earlier than state `b` (C2): of an earlier incarnation, from an earlier update,
 * or active where `b` is terminal within the same millisecond.
 */
export function isBefore(a: Place, b: Place): boolean {
  if (a.createdAtMs !== b.createdAtMs) return a.createdAtMs < b.createdAtMs;
  if (a.lastUpdatedAtMs !== b.lastUpdatedAtMs) return a.lastUpdatedAtMs < b.lastUpdatedAtMs;
  return isTerminal(b.status) && !isTerminal(a.status);
}

function timeDigits(epochMs: number): string {
  return Math.max(0, epochMs).toString(36).padStart(TIME_DIGITS, "0");
}

function contentHash(letter: string, { customStatus, output, failure }: Instance): string {
  const fields = JSON.stringify([
    letter,
    customStatus ?? null,
    output ?? null,
    failure?.type ?? null,
    failure?.message ?? null,
  ]);
  // Of 48 bits: two consecutive states of one operation collide once in 10^14 times.
  return shortHash(fields, HASH_DIGITS);
}
