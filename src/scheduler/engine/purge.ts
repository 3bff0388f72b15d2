/** Purges many instances, in small batches so that other calls are served in between. */

import { now } from "../clock.ts";
import { isTerminal, TERMINAL_STATUSES } from "../protocol/status.ts";
import type { SchedulerLogger } from "../scheduler-logger.ts";
import {
  type CompletedFilter,
  listCompleted,
  queryInstances,
} from "../storage/instance-listing.ts";
import type { Store } from "../storage/store.ts";
import type { InstanceCommands } from "./commands.ts";

const BATCH = 100;
const DEFAULT_TIMEOUT_MS = 60_000;
const RETENTION_CHECK_MS = 3_600_000;
const DAY_MS = 86_400_000;

export interface PurgeFilter {
  readonly hub: number;
  readonly statuses: readonly number[];
  readonly createdFromMs: number | undefined;
  readonly createdToMs: number | undefined;
  /** Time limit of one call. Default one minute. */
  readonly timeoutMs: number | undefined;
}

/** @returns `complete: false` when the time limit was reached; another call continues */
export async function purgeByFilter(
  store: Store,
  commands: InstanceCommands,
  filter: PurgeFilter,
  recursive: boolean,
): Promise<{ purged: number; complete: boolean }> {
  const endMs = performance.now() + (filter.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  const asked = filter.statuses.length > 0 ? filter.statuses : TERMINAL_STATUSES;
  const statuses = asked.filter(isTerminal);
  if (statuses.length === 0) return { purged: 0, complete: true };
  let purged = 0;
  let token: string | undefined;
  do {
    if (performance.now() >= endMs) return { purged, complete: false };
    const page = queryInstances(store.instances, { ...filter, statuses }, token, BATCH);
    const ids = page.items.map(({ instanceId }) => instanceId);
    if (ids.length > 0) purged += await commands.purge(filter.hub, ids, recursive);
    token = page.token;
  } while (token);
  return { purged, complete: true };
}

/** Purges instances that ended some days ago: now, and every hour. @returns a function that stops it */
export function startRetention(
  store: Store,
  commands: InstanceCommands,
  retentionDays: number,
  logger: SchedulerLogger,
): () => void {
  const stopped = new AbortController();
  const sweep = async () => {
    const completedToMs = now() - retentionDays * DAY_MS;
    for (const hub of store.hubs().values()) {
      const purged = await purgeCompleted(
        store,
        commands,
        { hub, statuses: [], completedToMs },
        stopped.signal,
      );
      if (purged > 0)
        logger.info(
          { purged, retentionDays },
          "purged instances that ended before the retention period",
        );
    }
  };
  const run = () => {
    sweep().catch((err: unknown) => {
      if (!stopped.signal.aborted)
        logger.warn({ err }, "purging for retention failed; it is tried again in an hour");
    });
  };
  run();
  const timer = setInterval(run, RETENTION_CHECK_MS).unref();
  return () => {
    stopped.abort();
    clearInterval(timer);
  };
}

async function purgeCompleted(
  store: Store,
  commands: InstanceCommands,
  filter: CompletedFilter,
  stopped: AbortSignal,
): Promise<number> {
  let purged = 0;
  while (!stopped.aborted) {
    const { items } = listCompleted(store.instances, filter, undefined, BATCH);
    if (items.length === 0) break;
    purged += await commands.purge(
      filter.hub,
      items.map(({ instanceId }) => instanceId),
      false,
    );
  }
  return purged;
}
