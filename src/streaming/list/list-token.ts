import { shortHash } from "../operation/short-hash.ts";

/*
 * The place at which a page of a list ends, valid at every replica: `p1.<query>.<to>.<width>[.<id>]`.
 * All fields but the id are numbers in base 36. `query` is a hash of what is listed: a token says
 * nothing about another list. A token gives access to nothing.
 */

/** Where the next page begins. */
export interface ListPlace {
  /** It lists what was created before this, in epoch milliseconds. */
  readonly toMs: number;
  /** Of the operations created in the last millisecond before `toMs`, those older than this one. */
  readonly afterId: string | undefined;
  /** About the time in which as many operations were created as one page of a query holds. */
  readonly widthMs: number;
}

const HASH_DIGITS = 6;
const TOKEN = /^p1\.([0-9a-z]{6})\.([0-9a-z]{1,11})\.([0-9a-z]{1,11})(?:\.([\w-]{1,140}))?$/;

/** @param query what is listed, in a form that is the same for the same list */
export function formatListToken(query: string, { toMs, afterId, widthMs }: ListPlace): string {
  const place = [toMs, widthMs].map((number) => number.toString(36)).join(".");
  const id = afterId === undefined ? "" : `.${Buffer.from(afterId).toString("base64url")}`;
  return `p1.${shortHash(query, HASH_DIGITS)}.${place}${id}`;
}

/** `undefined` where it is no token, or one of another list. */
export function parseListToken(text: string, query: string): ListPlace | undefined {
  const [, of, to, width, id] = TOKEN.exec(text) ?? [];
  if (of !== shortHash(query, HASH_DIGITS) || !to || !width) return undefined;
  const [toMs, widthMs] = [Number.parseInt(to, 36), Number.parseInt(width, 36)];
  if (!isTime(toMs) || !isTime(widthMs)) return undefined;
  return { toMs, widthMs, afterId: id && Buffer.from(id, "base64url").toString() };
}

/** The last time that a Date can have. */
const MAX_TIME_MS = 8.64e15;

function isTime(ms: number): boolean {
  return ms >= 1 && ms <= MAX_TIME_MS;
}
