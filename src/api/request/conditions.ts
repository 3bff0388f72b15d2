import { type Cursor, isSameState, parseCursor } from "../../streaming/operation/cursor.ts";

/** Longest wait of one request, in seconds: below the idle limits of common proxies. */
const MAX_WAIT_S = 60;

/** A tag or a bare cursor. Apache and other proxies add a suffix to the tag of a compressed answer. */
const TAG = /^\s*(?:W\/)?"?([^"]*?)(?:-(?:gzip|br|zstd|deflate))?"?\s*$/;

/** The content of `If-None-Match`. @see RFC 9110, section 13.1.2 */
export interface IfNoneMatch {
  /** Whether any of its tags is this state. */
  matches(cursor: Cursor): boolean;
  /** The newest state among its tags. */
  readonly newest: Cursor | undefined;
}

/** Parses the header. Tags that are not our cursors match nothing. */
export function parseIfNoneMatch(header: string | undefined, id: string): IfNoneMatch | undefined {
  if (header === undefined) return undefined;
  const cursors = header
    .split(",")
    .map((tag) => TAG.exec(tag)?.[1])
    .flatMap((tag) => parseCursor(tag, id) ?? []);
  const [newest] = [...cursors].sort(
    (a, b) => b.createdAtMs - a.createdAtMs || b.lastUpdatedAtMs - a.lastUpdatedAtMs,
  );
  const any = header.trim() === "*";
  return {
    matches: (cursor) => any || cursors.some((known) => isSameState(known, cursor)),
    newest,
  };
}

/** The tag of a state. Weak, because a document whose `last_updated` alone moved is not the same to the byte. */
export function etag(cursor: Cursor): string {
  return `W/"${cursor.text}"`;
}

/**
 * Seconds of `Prefer: wait=…`, at most 60; `undefined` without a valid one.
 * @see RFC 7240, section 4.3
 */
export function parseWait(header: string | string[] | undefined): number | undefined {
  const preferences = [header ?? []].flat().join(",").split(",");
  for (const preference of preferences) {
    const seconds = /^\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;.*)?$/i.exec(preference)?.[1];
    if (seconds !== undefined) return Math.min(Number(seconds), MAX_WAIT_S);
  }
  return undefined;
}
