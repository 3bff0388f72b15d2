import type { Instance } from "../dts/instance.ts";
import type { Listed, Listing } from "./listing.ts";
import type { ReadTime } from "./reader.ts";

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

/** The newest instances of the task hub, as far as they are wanted. */
export interface Newest {
  /** In no order; may be more than were wanted. */
  readonly listed: readonly ListedInstance[];
  /** Whether there are older ones that were not listed. */
  readonly truncated: boolean;
  /** When the first page was requested. */
  readonly time: ReadTime;
}

/**
 * Lists the `wanted` instances created last whose ids begin with `idPrefix`, entities left out. A query
 * has no order and cannot be asked for the newest, so it is asked for windows of time.
 * @throws SchedulerError
 */
export async function listNewest(
  listing: Listing,
  idPrefix: string,
  wanted: number,
): Promise<Newest> {
  const listed: ListedInstance[] = [];
  let time: ReadTime | undefined;
  const nowMs = Date.now();
  let toMs: number | undefined;
  for (const fromMs of [...WINDOWS_MS.map((windowMs) => nowMs - windowMs), 0]) {
    // The first window is open towards the future: the scheduler's clock may be ahead of ours.
    const window = await listWindow(listing, idPrefix, wanted, fromMs, toMs, listed);
    time ??= window.time;
    if (!window.whole || (listed.length > wanted && fromMs > 0)) {
      return { listed, truncated: true, time };
    }
    toMs = fromMs;
  }
  return { listed, truncated: false, time: time as ReadTime };
}

interface Window {
  /** Whether all of it is listed. */
  readonly whole: boolean;
  readonly time: ReadTime;
}

/** Lists one window, its newer half first where it holds too much. */
async function listWindow(
  listing: Listing,
  idPrefix: string,
  wanted: number,
  fromMs: number,
  toMs: number | undefined,
  listed: ListedInstance[],
): Promise<Window> {
  const before = listed.length;
  let time: ReadTime | undefined;
  let pageToken: string | undefined;
  for (let count = 0; count < WINDOW_PAGES || listed.length - before < wanted; count += 1) {
    const page = await listing.page({
      createdFromMs: fromMs,
      ...(toMs !== undefined && { createdToMs: toMs }),
      ...(idPrefix && { idPrefix }),
      pageToken,
    });
    for (const instance of page.instances) {
      if (!instance.id.startsWith("@")) listed.push({ instance, page });
    }
    time ??= page;
    pageToken = page.nextPageToken;
    if (!pageToken) return { whole: true, time };
  }
  const endMs = toMs ?? Date.now() + MINUTE_MS;
  const middleMs = Math.floor((fromMs + endMs) / 2);
  if (middleMs <= fromMs) return { whole: false, time: time as ReadTime };
  listed.length = before;
  const newer = await listWindow(listing, idPrefix, wanted, middleMs, toMs, listed);
  if (!newer.whole || listed.length - before >= wanted) return { ...newer, whole: false };
  return listWindow(listing, idPrefix, wanted, fromMs, middleMs, listed);
}
