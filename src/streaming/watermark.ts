import { createHash } from "node:crypto";
import type { ResumePoint } from "./cursor.ts";

/*
 * The position of a stream of several operations, valid on every replica, is its watermark:
 * `m1.<scope>.<through>[.<seen>]`. Every state that the scheduler dated before `through` was sent;
 * so were the states in `seen`, which it dated later. `scope` is what the stream carries: a
 * watermark says nothing of operations outside it.
 */

/** States newer than `through` that a watermark can name; it stays below 256 characters. */
export const MAX_SEEN = 32;

const TIME_DIGITS = 9;
const TAG_DIGITS = 6;
const PATTERN = new RegExp(
  `^m1\\.([0-9a-z]{${TAG_DIGITS}})\\.([0-9a-z]{${TIME_DIGITS}})(?:\\.((?:[0-9a-z]{${TAG_DIGITS}})+))?$`,
);

/** What a stream has sent of one operation. */
export interface Sent {
  readonly id: string;
  readonly createdAtMs: number;
  readonly lastUpdatedAtMs: number;
  readonly state: string;
}

/** Where a client stopped on a former stream. */
export interface Watermark extends ResumePoint {
  readonly throughMs: number;
  /** The states that it names, each as the watermark does. */
  readonly seen: ReadonlySet<string>;
}

/**
 * The watermark of a stream that has sent all states before `throughMs`, and `sent` among others. Of
 * more than 32 that are newer, the oldest are left out; a client gets those again.
 * @param seenBefore what the watermark named with which the stream began
 */
export function formatWatermark(
  scope: string,
  throughMs: number,
  sent: readonly Sent[],
  seenBefore: Iterable<string> = [],
): string {
  const tags = sent
    .filter(({ lastUpdatedAtMs }) => lastUpdatedAtMs >= throughMs)
    .sort((a, b) => b.lastUpdatedAtMs - a.lastUpdatedAtMs)
    .slice(0, MAX_SEEN)
    .map(tagOf);
  const newer = [...new Set([...tags, ...seenBefore])].slice(0, MAX_SEEN).join("");
  const through = Math.max(0, throughMs).toString(36).padStart(TIME_DIGITS, "0");
  return `m1.${scope}.${through}${newer && `.${newer}`}`;
}

/** Reads a client's watermark; one of another scope counts as none. */
export function parseWatermark(text: string | undefined, scope: string): Watermark | undefined {
  const [, itsScope, through, seen = ""] = PATTERN.exec(text ?? "") ?? [];
  if (itsScope !== scope || through === undefined) return undefined;
  const throughMs = Number.parseInt(through, 36);
  const tags = new Set<string>();
  for (let at = 0; at < seen.length; at += TAG_DIGITS) tags.add(seen.slice(at, at + TAG_DIGITS));
  return {
    throughMs,
    seen: tags,
    covers: ({ id, cursor: { createdAtMs, lastUpdatedAtMs, state } }) =>
      lastUpdatedAtMs < throughMs || tags.has(tagOf({ id, createdAtMs, lastUpdatedAtMs, state })),
  };
}

/** The scope of a stream: the same for the same names, in whatever order they were given. */
export function scopeOf(kind: "ids" | "prefix", names: readonly string[]): string {
  return shortHash(JSON.stringify([kind, ...[...names].sort()]));
}

/** Tags of states that were sent lately: they are part of each id until they have settled. */
const recentTags = new Map<string, string>();
const MAX_TAGS_KEPT = 10_000;

function tagOf({ id, createdAtMs, state }: Sent): string {
  const text = `${createdAtMs} ${state} ${id}`;
  let tag = recentTags.get(text);
  if (tag === undefined) {
    tag = shortHash(text);
    if (recentTags.size >= MAX_TAGS_KEPT) recentTags.clear();
    recentTags.set(text, tag);
  }
  return tag;
}

function shortHash(text: string): string {
  const digest = createHash("sha256").update(text).digest();
  return (digest.readUIntBE(0, 6) % 36 ** TAG_DIGITS).toString(36).padStart(TAG_DIGITS, "0");
}
