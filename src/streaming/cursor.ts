import { createHash } from "node:crypto";
import type { Instance, RuntimeStatus } from "../dts/instance.ts";

/**
 * A position in the life of one operation, derived only from what the scheduler stores (C1), so that
 * every replica computes the same one: `1.<created>.<updated>.<state>`. Times are milliseconds in
 * base 36, padded to nine digits, so that they sort as text; `state` is a letter for the stored
 * status and a hash over status, custom status, output and failure.
 */
export interface Cursor {
  /** The cursor as clients see it. Opaque to them; at most 64 characters of `[0-9a-z.]`. */
  readonly text: string;
  readonly createdAtMs: number;
  readonly lastUpdatedAtMs: number;
  readonly status: RuntimeStatus;
  /** Status letter and hash: equal exactly where a viewer would see no difference. */
  readonly state: string;
}

const STATUS_LETTERS: Record<RuntimeStatus, string> = {
  PENDING: "p",
  RUNNING: "r",
  // Shown as RUNNING, and no transition of its own.
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
/** A position among the steps may follow (steps/position.ts), which says nothing of the status. */
const PATTERN = new RegExp(
  `^(1\\.([0-9a-z]{${TIME_DIGITS}})\\.([0-9a-z]{${TIME_DIGITS}})\\.(([a-z])[0-9a-z]{${HASH_DIGITS}}))` +
    "(?:\\.[0-9a-z]{6}\\.[0-9a-z]{1,6}\\.[0-9a-z]{10})?$",
);

/** No stored state lies further in the future than clocks differ; a cursor that does is made up. */
const MAX_CLOCK_SKEW_MS = 5 * 60_000;

export function cursorOf(instance: Instance): Cursor {
  const { createdAtMs, lastUpdatedAtMs, status } = instance;
  const letter = STATUS_LETTERS[status];
  const state = letter + hash(letter, instance);
  return {
    text: `1.${timeDigits(createdAtMs)}.${timeDigits(lastUpdatedAtMs)}.${state}`,
    createdAtMs,
    lastUpdatedAtMs,
    status: STATUS_OF_LETTER.get(letter) ?? status,
    state,
  };
}

/** Reads a client's cursor. Anything that no scheduler could have led to is treated as none. */
export function parseCursor(text: string | undefined, nowMs = Date.now()): Cursor | undefined {
  const [, own, created, updated, state, letter] = PATTERN.exec(text ?? "") ?? [];
  const status = letter && STATUS_OF_LETTER.get(letter);
  if (!own || !created || !updated || !state || !status) return undefined;
  const createdAtMs = Number.parseInt(created, 36);
  const lastUpdatedAtMs = Number.parseInt(updated, 36);
  if (Math.max(createdAtMs, lastUpdatedAtMs) > nowMs + MAX_CLOCK_SKEW_MS) return undefined;
  return { text: own, createdAtMs, lastUpdatedAtMs, status, state };
}

/** What a subscriber that comes back is known to have. */
export interface ResumePoint {
  /** Where exactly it stands, if that is known: nothing from before is sent. */
  readonly position?: Cursor;
  /** Whether it has been sent this state. */
  covers(operation: { readonly id: string; readonly cursor: Cursor }): boolean;
}

/** The resume point of one operation's own cursor. */
export function cursorResume(position: Cursor): ResumePoint {
  return { position, covers: ({ cursor }) => isSameState(cursor, position) };
}

/** Whether a viewer of the one sees the other: a `last_updated` alone that moved is no difference. */
export function isSameState(a: Cursor, b: Cursor): boolean {
  return a.createdAtMs === b.createdAtMs && a.state === b.state;
}

/** What orders states. */
type Place = Pick<Cursor, "createdAtMs" | "lastUpdatedAtMs" | "status">;

/**
 * Whether `a` is a state from before `b` (C2): an earlier life of the id, an earlier update, or, in
 * one and the same millisecond, a life that `b` has already ended.
 */
export function isBefore(a: Place, b: Place): boolean {
  if (a.createdAtMs !== b.createdAtMs) return a.createdAtMs < b.createdAtMs;
  if (a.lastUpdatedAtMs !== b.lastUpdatedAtMs) return a.lastUpdatedAtMs < b.lastUpdatedAtMs;
  return isTerminal(b.status) && !isTerminal(a.status);
}

export function isTerminal(status: RuntimeStatus): boolean {
  return (
    status === "COMPLETED" ||
    status === "FAILED" ||
    status === "TERMINATED" ||
    status === "CANCELED"
  );
}

function timeDigits(epochMs: number): string {
  return Math.max(0, epochMs).toString(36).padStart(TIME_DIGITS, "0");
}

function hash(letter: string, { customStatus, output, failure }: Instance): string {
  const fields = JSON.stringify([
    letter,
    customStatus ?? null,
    output ?? null,
    failure?.type ?? null,
    failure?.message ?? null,
  ]);
  const digest = createHash("sha256").update(fields).digest();
  // 48 bits: two states of one operation that follow each other collide once in 10^14 times.
  return digest.readUIntBE(0, 6).toString(36).padStart(HASH_DIGITS, "0");
}
