import { type Cursor, isSameState, parseCursor } from "../streaming/cursor.ts";

/** Longest wait of one request, in seconds: below the idle limits of common proxies. */
const MAX_WAIT_S = 60;

/**
 * A tag with our cursor, also without quotes, as clients paste it, and with the suffix by which
 * proxies mark a compressed answer, as Apache does.
 */
const TAG = /^\s*(?:W\/)?"?([^"]*?)(?:-(?:gzip|br|zstd|deflate))?"?\s*$/;

/** What `If-None-Match` says. @see RFC 9110, section 13.1.2 */
export interface IfNoneMatch {
  /** Whether the client has this state, under any of the tags it named. */
  matches(cursor: Cursor): boolean;
  /** The newest state it named. */
  readonly newest: Cursor | undefined;
}

/** Reads the header's list. Tags that are no cursors of ours match nothing. */
export function parseIfNoneMatch(header: string | undefined): IfNoneMatch | undefined {
  if (header === undefined) return undefined;
  const cursors = header
    .split(",")
    .map((tag) => TAG.exec(tag)?.[1])
    .flatMap((tag) => parseCursor(tag) ?? []);
  const [newest] = [...cursors].sort(
    (a, b) => b.createdAtMs - a.createdAtMs || b.lastUpdatedAtMs - a.lastUpdatedAtMs,
  );
  const any = header.trim() === "*";
  return {
    matches: (cursor) => any || cursors.some((known) => isSameState(known, cursor)),
    newest,
  };
}

/**
 * Seconds that `Prefer: wait=…` asks for, at most 60; `undefined` where it asks for none.
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
