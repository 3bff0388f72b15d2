import type { Instance, RuntimeStatus } from "../dts/instance.ts";
import type { InstanceQuery } from "../dts/instance-query.ts";
import type { FeedLog } from "./feed-log.ts";
import type { Poller } from "./poller.ts";

/** What one pass over the task hub has found. */
export interface Sweep {
  readonly found: readonly Instance[];
  /** Ids the log carries that are no longer there. */
  readonly purged: readonly string[];
  /** Whether there are operations that the feed has no room for. */
  readonly truncated: boolean;
}

const PAGE_SIZE = 200;
/** Pages of one time window, after which the rest of it is left out. */
const MAX_PAGES = 50;
const LIVE: readonly RuntimeStatus[] = ["PENDING", "RUNNING", "SUSPENDED", "CONTINUED_AS_NEW"];

const MINUTE_MS = 60_000;
/**
 * The first pass looks back in windows that grow tenfold, since a query has no order and cannot be
 * asked for the newest: one minute, ten, … and at last all the rest.
 */
const WINDOWS_MS = [1, 10, 100, 1000, 10_000, 100_000].map((minutes) => minutes * MINUTE_MS);
/** New operations are looked for from this long before the newest known one: clocks differ. */
const OVERLAP_MS = 5000;

/** Reads the task hub's newest operations, until `capacity` are found or there are no more. */
export async function sweepAll(poller: Poller, prefix: string, capacity: number): Promise<Sweep> {
  const found: Instance[] = [];
  const nowMs = Date.now();
  let createdToMs: number | undefined;
  let truncated = false;
  for (const windowMs of [...WINDOWS_MS, nowMs]) {
    const createdFromMs = nowMs - windowMs;
    const query = { createdFromMs, ...(createdToMs !== undefined && { createdToMs }) };
    const window = await readPages(poller, prefix, query);
    found.push(...window.instances);
    truncated ||= window.truncated;
    createdToMs = createdFromMs;
    if (found.length >= capacity) break;
  }
  const newest = found.sort((a, b) => b.createdAtMs - a.createdAtMs).slice(0, capacity);
  return { found: newest, purged: [], truncated: truncated || found.length > capacity };
}

/**
 * Reads what can have changed: the operations that live, those created since, and one by one those
 * that lived at the last pass and do no longer.
 */
export async function sweepChanges(poller: Poller, prefix: string, log: FeedLog): Promise<Sweep> {
  const alive = new Set<string>();
  let newestCreatedAtMs = 0;
  for (const { operation } of log.entries()) {
    if (!operation.terminal) alive.add(operation.id);
    newestCreatedAtMs = Math.max(newestCreatedAtMs, operation.cursor.createdAtMs);
  }
  const live = await readPages(poller, prefix, {
    createdFromMs: log.oldestCreatedAtMs,
    statuses: LIVE,
  });
  const createdSince = await readPages(poller, prefix, {
    createdFromMs: Math.max(0, newestCreatedAtMs - OVERLAP_MS),
  });
  const found = [...live.instances, ...createdSince.instances];
  for (const { id } of found) alive.delete(id);

  const ended = await Promise.all(
    [...alive].map(async (id) => ({ id, outcome: await poller.read(id) })),
  );
  const purged: string[] = [];
  for (const { id, outcome } of ended) {
    if (outcome.kind === "found") found.push(outcome.instance);
    else if (outcome.kind === "missing") purged.push(id);
    else throw outcome.error;
  }
  return { found, purged, truncated: live.truncated || createdSince.truncated };
}

async function readPages(
  poller: Poller,
  prefix: string,
  query: Pick<InstanceQuery, "createdFromMs" | "createdToMs" | "statuses">,
): Promise<{ instances: Instance[]; truncated: boolean }> {
  const instances: Instance[] = [];
  let pageToken: string | undefined;
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const { instances: some, nextPageToken } = await poller.query({
      ...query,
      ...(prefix && { idPrefix: prefix }),
      pageSize: PAGE_SIZE,
      pageToken,
    });
    // Entities are instances too, whose ids begin with "@"; they are no operations.
    instances.push(...some.filter(({ id }) => !id.startsWith("@")));
    if (!nextPageToken) return { instances, truncated: false };
    pageToken = nextPageToken;
  }
  return { instances, truncated: true };
}
