import type { InstancePage, InstanceQuery } from "../../../dts/instance-query.ts";
import { SchedulerError } from "../../../dts/scheduler-error.ts";

/** What purging needs of the rest of the system. */
export interface Purging {
  /** Resolves when the read budget permits one more query. */
  permit(): Promise<void>;
  queryInstances(query: InstanceQuery): Promise<InstancePage>;
  /** @returns whether it was removed */
  purge(id: string): Promise<boolean>;
}

export interface PurgeOutcome {
  readonly deleted: number;
  /** Whether nothing is left that matches. */
  readonly complete: boolean;
}

/** Where one call stops, give or take what is under way. */
const MAX_DELETED = 1000;
const WITHIN_MS = 10_000;
const MAX_PAGES = 40;
const PAGE_SIZE = 100;
const AT_A_TIME = 8;

/**
 * Removes the terminal instances that match, one by one: of the protocol's purges only that one reports for
 * each whether it was removed, and knows ids.
 *   PURGE-1. The work of one call is bounded. What it leaves, the next call removes.
 *   PURGE-2. After a page of which something was removed the query starts again, since tokens may count
 *       instances. It is complete when a whole query has found nothing to remove.
 */
export async function purgeMatching(
  purging: Purging,
  query: Omit<InstanceQuery, "pageSize" | "pageToken" | "payloads">,
): Promise<PurgeOutcome> {
  const endMs = performance.now() + WITHIN_MS;
  let deleted = 0;
  let pageToken: string | undefined;
  const isBounded = () => deleted < MAX_DELETED && performance.now() < endMs; // PURGE-1
  const purgeOne = async (id: string) => {
    if (await isPurged(purging, id)) deleted += 1;
  };
  try {
    for (let pages = 0; pages < MAX_PAGES && isBounded(); pages += 1) {
      await purging.permit();
      const wanted = { ...query, payloads: false, pageSize: PAGE_SIZE, pageToken };
      const { instances, nextPageToken } = await purging.queryInstances(wanted);
      // Entities are listed as well.
      const ids = instances.map(({ id }) => id).filter((id) => !id.startsWith("@"));
      const before = deleted;
      for (let at = 0; at < ids.length; at += AT_A_TIME) {
        if (!isBounded()) return { deleted, complete: false };
        await Promise.all(ids.slice(at, at + AT_A_TIME).map(purgeOne));
      }
      pageToken = deleted > before ? undefined : nextPageToken; // PURGE-2
      if (deleted === before && !pageToken) return { deleted, complete: true };
    }
  } catch (error) {
    // What was removed is reported; the next call finds out whether the failure lasts.
    if (deleted === 0) throw error;
  }
  return { deleted, complete: false };
}

/** @returns false where it is gone already, or runs again */
async function isPurged(purging: Purging, id: string): Promise<boolean> {
  try {
    return await purging.purge(id);
  } catch (error) {
    const kind = error instanceof SchedulerError ? error.kind : undefined;
    if (kind === "not-found" || kind === "wrong-state") return false;
    throw error;
  }
}
