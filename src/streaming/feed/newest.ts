import type { Listing } from "../reading/listing.ts";
import { type ListedInstance, NewestFirst } from "../reading/newest-first.ts";
import type { ReadTime } from "../reading/reader.ts";

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
 * Lists the instances that were created last.
 * @throws SchedulerError
 */
export async function listNewest(
  listing: Listing,
  { idPrefix, wanted, onWindow }: NewestQuery,
): Promise<Newest> {
  const windows = new NewestFirst(listing, { idPrefix });
  let time: ReadTime | undefined;
  let count = 0;
  do {
    const window = await windows.next();
    time ??= window.time;
    count += window.listed.length;
    onWindow(window.listed);
  } while (!windows.isDone && count <= wanted);
  return { truncated: count > wanted || windows.isTooFull, time };
}
