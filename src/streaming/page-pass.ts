import type { RuntimeStatus } from "../dts/instance.ts";
import type { Found, Poller } from "./poller.ts";

/** What became of a state that a page has brought. */
export type Refreshed =
  | "refreshed"
  /** A read that was sent later has been there before. */
  | "not"
  /** A read that was back before the page was sent had found more: queries lag behind. */
  | "behind";

/** What a pass over the task hub came to. */
export interface Passed {
  /** Whether it saved reads, and can be trusted. */
  readonly isWorthIt: boolean;
  /** Whether it has seen all that lives and was created since its beginning. */
  readonly isWhole: boolean;
}

/** What lives: pages carry no results, which may be large, and an end is read alone. */
const LIVE: readonly RuntimeStatus[] = ["PENDING", "RUNNING", "SUSPENDED", "CONTINUED_AS_NEW"];
/** So many of its instances must be watched for a page to have been worth it. */
const WORTH_FOUND = 10;
/** Characters past which a page is too heavy: it brings the inputs of all, however few have changed. */
const WORTH_LENGTH = 2 * 1024 * 1024;
/** How long one page may take, and the time after which a pass goes on to no other page. */
const PAGE_WITHIN_MS = 3000;
const PASS_WITHIN_MS = 4000;
/** A page may be empty and not the last; so many in a row are enough. */
const MAX_EMPTY_PAGES = 5;

/**
 * Reads what lives and was created since `createdFromMs`, page by page, while it is of use.
 * @param onFound called with each state, watched or not; `undefined` where it is not
 * @param isOver asked between pages
 * @throws SchedulerError
 */
export async function readPages(
  poller: Poller,
  query: { readonly createdFromMs: number; readonly pageSize: number },
  onFound: (found: Found) => Refreshed | undefined,
  isOver: () => boolean,
): Promise<Passed> {
  const endMs = performance.now() + PASS_WITHIN_MS;
  let isWorthIt = false;
  let emptyPages = 0;
  let pageToken: string | undefined;
  do {
    const page = await poller.query({ ...query, statuses: LIVE, pageToken }, PAGE_WITHIN_MS);
    const { startedAtMs, horizonMs } = page;
    let watched = 0;
    for (const instance of page.instances) {
      const outcome = onFound({ kind: "found", instance, startedAtMs, horizonMs });
      if (outcome === "behind") return { isWorthIt: false, isWhole: false };
      if (outcome !== undefined) watched += 1;
    }
    pageToken = page.nextPageToken;
    if (page.payloadLength > WORTH_LENGTH) return { isWorthIt: false, isWhole: false };
    if (watched >= WORTH_FOUND) isWorthIt = true;
    else if (page.instances.length > 0) break;
    else emptyPages += 1;
  } while (pageToken && emptyPages < MAX_EMPTY_PAGES && performance.now() < endMs && !isOver());
  return { isWorthIt, isWhole: pageToken === undefined };
}
