import type { Cursor, ResumePoint } from "./cursor.ts";
import { shortHash } from "./short-hash.ts";

/*
 * The position of a stream of several operations, valid on every replica:
 *
 *   m1.<scope>.<through>[.<seen>]          every state dated before `through` was sent
 *   m2.<scope>.<through>.<part>[.<seen>]   the same for a part of the operations; of the others the
 *                                          client has not been sent the present state
 *
 * So were the states in `seen`, which the scheduler dated later. `scope` is what the stream carries: a
 * watermark says nothing about other operations. `part` is written by `formatIds` or `formatTime`.
 */

/** States newer than `through` that a watermark can name; it stays below 256 characters. */
export const MAX_SEEN = 32;

const TIME_DIGITS = 9;
const TAG_DIGITS = 6;
const SCOPE = new RegExp(`^[0-9a-z]{${TAG_DIGITS}}$`);
const TIME = new RegExp(`^[0-9a-z]{${TIME_DIGITS}}$`);
const PART = /^[0-9a-z]{1,40}$/;
const SEEN = new RegExp(`^([0-9a-z]{${TAG_DIGITS}})+$`);

/** What a stream has sent of one operation. */
export interface Sent extends Pick<Cursor, "createdAtMs" | "lastUpdatedAtMs" | "state"> {
  readonly id: string;
}

/** The position at which a client left an earlier stream. */
export interface Watermark extends ResumePoint {
  readonly throughMs: number;
  /** The states that it names, each as the watermark does. */
  readonly seen: ReadonlySet<string>;
  /** As it was written; `undefined` where the watermark is for all operations of the stream. */
  readonly part: string | undefined;
  /** @param isInPart whether the operation belongs to the part that the watermark is for */
  covers(operation: { readonly id: string; readonly cursor: Cursor }, isInPart?: boolean): boolean;
}

/**
 * The watermark of a stream that has sent all states before `throughMs`, and `sent` among others. Of
 * more than 32 that are newer the oldest are left out: a client that resumes gets those again.
 * @param seenBefore what the watermark named with which the stream began
 * @param part the operations for which this holds; default: all
 */
export function formatWatermark(
  scope: string,
  throughMs: number,
  sent: readonly Sent[],
  seenBefore: Iterable<string> = [],
  part?: string,
): string {
  const tags = sent
    .filter(({ lastUpdatedAtMs }) => lastUpdatedAtMs >= throughMs)
    .sort((a, b) => b.lastUpdatedAtMs - a.lastUpdatedAtMs)
    .slice(0, MAX_SEEN)
    .map(tagOf);
  const seen = [...new Set([...tags, ...seenBefore])].slice(0, MAX_SEEN).join("");
  const fields = [scope, formatTime(throughMs), ...(part ? [part] : []), ...(seen ? [seen] : [])];
  return `${part ? "m2" : "m1"}.${fields.join(".")}`;
}

/** Knows whether the scheduler's clock was set back since. */
export interface WatermarkValidity {
  isValidThrough(throughMs: number): boolean;
}

/** Reads a client's watermark; one of another scope counts as none, as does one that is not valid. */
export function parseWatermark(
  text: string | undefined,
  scope: string,
  validity: WatermarkValidity,
): Watermark | undefined {
  const [version, ofScope = "", through = "", ...rest] = (text ?? "").split(".");
  if (version !== "m1" && version !== "m2") return undefined;
  const part = version === "m2" ? (rest.shift() ?? "") : undefined;
  const [seen, ...more] = rest;
  const isWellFormed =
    SCOPE.test(ofScope) &&
    TIME.test(through) &&
    (part === undefined || PART.test(part)) &&
    (seen === undefined || SEEN.test(seen)) &&
    more.length === 0;
  if (!isWellFormed || ofScope !== scope) return undefined;
  const throughMs = parseTime(through);
  if (!validity.isValidThrough(throughMs)) return undefined;
  const tags = new Set(seen?.match(new RegExp(`.{${TAG_DIGITS}}`, "g")));
  return {
    throughMs,
    seen: tags,
    part,
    covers: ({ id, cursor }, isInPart = true) =>
      (isInPart && cursor.lastUpdatedAtMs < throughMs) || tags.has(tagOf({ id, ...cursor })),
  };
}

/** A part as a time, in epoch milliseconds. */
export function formatTime(epochMs: number): string {
  return Math.max(0, epochMs).toString(36).padStart(TIME_DIGITS, "0");
}

export function parseTime(text: string): number {
  return Number.parseInt(text, 36);
}

const IDS_PER_DIGIT = 5;

/** A part as a list of ids: a bit for each of `ids`, five to a digit. */
export function formatIds(ids: readonly string[], isInPart: (id: string) => boolean): string {
  let text = "";
  for (let at = 0; at < ids.length; at += IDS_PER_DIGIT) {
    const bits = ids.slice(at, at + IDS_PER_DIGIT).map((id, bit) => (isInPart(id) ? 1 << bit : 0));
    text += bits.reduce((sum, bit) => sum | bit, 0).toString(32);
  }
  return text;
}

/** The ids of such a part. @param ids all of them, in the order in which it was written */
export function parseIds(text: string, ids: readonly string[]): ReadonlySet<string> {
  const digits = [...text].map((digit) => Number.parseInt(digit, 32));
  return new Set(
    ids.filter((_, at) => {
      const digit = digits[Math.floor(at / IDS_PER_DIGIT)] ?? 0;
      return (digit & (1 << (at % IDS_PER_DIGIT))) !== 0;
    }),
  );
}

/** The scope of a stream: the same for the same names, in whatever order they were given. */
export function scopeOf(kind: "ids" | "prefix" | "filtered", names: readonly string[]): string {
  return shortHash(JSON.stringify([kind, ...[...names].sort()]), TAG_DIGITS);
}

/** Tags of states that were sent lately: they are part of each id until they have settled. */
const recentTags = new Map<string, string>();
const MAX_TAGS_KEPT = 10_000;

function tagOf({ id, createdAtMs, state }: Pick<Sent, "id" | "createdAtMs" | "state">): string {
  const text = `${createdAtMs} ${state} ${id}`;
  let tag = recentTags.get(text);
  if (tag === undefined) {
    tag = shortHash(text, TAG_DIGITS);
    if (recentTags.size >= MAX_TAGS_KEPT) recentTags.clear();
    recentTags.set(text, tag);
  }
  return tag;
}
