import type { Instance } from "../../dts/instance.ts";
import type { Listed, Listing } from "../reading/listing.ts";
import type { ReadTime } from "../reading/reader.ts";
import { isOlder } from "./feed-log.ts";

/** Pages of one window, after which it is halved: it holds more than is wanted. */
const WINDOW_PAGES = 4;
const MINUTE_MS = 60_000;
/** The first window reaches back one minute, each further one ten times as far as the one before. */
const WINDOWS_MS = [1, 10, 100, 1000, 10_000, 100_000].map((minutes) => minutes * MINUTE_MS);

/** An instance, and the page that listed it. */
export interface ListedInstance {
  readonly instance: Instance;
  readonly page: Listed;
}

/** How the listing ended. */
export interface Newest {
  /** Whether there are older ones that were not listed. */
  readonly truncated: boolean;
  /** When the first page was requested. */
  readonly time: ReadTime;
}

export interface NewestQuery {
  /** Whose ids begin with this. */
  readonly idPrefix: string;
  /** How many are wanted; some more may be listed. */
  readonly wanted: number;
  /** Takes the instances of one window, the newest first. No later window holds newer ones. */
  onWindow(listed: readonly ListedInstance[]): void;
}

/**
 * Lists the instances that were created last, entities left out. A query has no order and cannot be
 * asked for the newest, so it is asked for windows of time.
 * @throws SchedulerError
 */
export async function listNewest(listing: Listing, query: NewestQuery): Promise<Newest> {
  const nowMs = Date.now();
  let count = 0;
  let time: ReadTime | undefined;
  let toMs: number | undefined;
  for (const fromMs of [...WINDOWS_MS.map((windowMs) => nowMs - windowMs), 0]) {
    // The first window is open towards the future: the scheduler's clock may be ahead of ours.
    const window = await listWindow(listing, query, query.wanted - count, fromMs, toMs);
    time ??= window.time;
    count += window.count;
    if (!window.whole || count > query.wanted) return { truncated: true, time };
    toMs = fromMs;
  }
  return { truncated: false, time: time as ReadTime };
}

interface Window {
  /** Whether all of it is listed. */
  readonly whole: boolean;
  readonly count: number;
  readonly time: ReadTime;
}

/** Lists one window, its newer half first where it holds more than is wanted. */
async function listWindow(
  listing: Listing,
  query: NewestQuery,
  wanted: number,
  fromMs: number,
  toMs: number | undefined,
): Promise<Window> {
  const { idPrefix, onWindow } = query;
  const listed: ListedInstance[] = [];
  let time: ReadTime | undefined;
  let pageToken: string | undefined;
  for (let pages = 0; pages < WINDOW_PAGES || listed.length <= wanted; pages += 1) {
    const page = await listing.page({
      createdFromMs: fromMs,
      ...(toMs !== undefined && { createdToMs: toMs }),
      ...(idPrefix && { idPrefix }),
      pageToken,
    });
    time ??= page;
    for (const instance of page.instances) {
      if (!instance.id.startsWith("@")) listed.push({ instance, page });
    }
    pageToken = page.nextPageToken;
    if (pageToken) continue;
    onWindow(listed.sort((a, b) => (isOlder(a.instance, b.instance) ? 1 : -1)));
    return { whole: true, count: listed.length, time };
  }
  const endMs = toMs ?? Date.now() + MINUTE_MS;
  const middleMs = Math.floor((fromMs + endMs) / 2);
  if (middleMs <= fromMs) {
    // All were created within one millisecond, and are as new as one another.
    onWindow(listed.sort((a, b) => (isOlder(a.instance, b.instance) ? 1 : -1)));
    return { whole: false, count: listed.length, time: time as ReadTime };
  }
  const newer = await listWindow(listing, query, wanted, middleMs, toMs);
  if (!newer.whole || newer.count > wanted) return { ...newer, whole: false };
  const older = await listWindow(listing, query, wanted - newer.count, fromMs, middleMs);
  return { ...older, count: newer.count + older.count };
}
