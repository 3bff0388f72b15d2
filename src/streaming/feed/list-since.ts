import type { Listing } from "../reading/listing.ts";
import type { ListedInstance } from "../reading/newest-first.ts";
import type { ReadTime } from "../reading/reader.ts";

/** Most pages of one query. */
const MAX_PAGES = 40;

/** Which instances to list, in any state. */
export interface Since {
  readonly createdFromMs: number;
  readonly idPrefix: string;
}

/**
 * Lists instances by one query, entities left out.
 * @returns when its first page was requested
 * @throws SchedulerError
 */
export async function listSince(
  listing: Listing,
  { createdFromMs, idPrefix }: Since,
  onListed: (listed: ListedInstance) => void,
): Promise<ReadTime> {
  let page = await listing.page({ createdFromMs, ...(idPrefix && { idPrefix }) });
  const first = page;
  for (let count = 1; ; count += 1) {
    for (const instance of page.instances) {
      if (!instance.id.startsWith("@")) onListed({ instance, page });
    }
    const pageToken = page.nextPageToken;
    if (!pageToken || count >= MAX_PAGES) return first;
    page = await listing.page({ createdFromMs, ...(idPrefix && { idPrefix }), pageToken });
  }
}

/** The prefix of a query that lists for all of these. */
export function commonPrefix(prefixes: readonly string[]): string {
  let [common = ""] = prefixes;
  for (const prefix of prefixes) {
    while (!prefix.startsWith(common)) common = common.slice(0, -1);
  }
  return common;
}
