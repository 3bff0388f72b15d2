import type { RuntimeStatus } from "../dts/instance.ts";
import type { InstanceQuery } from "../dts/instance-query.ts";
import type { FeedEntry, FeedLog } from "./feed-log.ts";
import type { Poller } from "./poller.ts";

/** What a pass needs, and where it puts what it finds. */
export interface Sweep {
  readonly poller: Poller;
  readonly prefix: string;
  readonly log: FeedLog;
}

/** What a pass over the task hub has led to. */
export interface Swept {
  /** What is new in the log, in the order of its finding. */
  readonly changes: readonly FeedEntry[];
  /** Whether there are operations that the feed does not carry. */
  readonly truncated: boolean;
}

/** Small, since a page carries whole results. */
const PAGE_SIZE = 100;
/** Pages of one query, after which the rest of it is left out. */
const MAX_PAGES = 50;
/** Pages of one window of the first pass, after which it is halved: more than a feed carries. */
const WINDOW_PAGES = 12;
const LIVE: readonly RuntimeStatus[] = ["PENDING", "RUNNING", "SUSPENDED", "CONTINUED_AS_NEW"];

const MINUTE_MS = 60_000;
/**
 * The first pass looks back in windows that grow tenfold, since a query has no order and cannot be
 * asked for the newest: one minute, ten, … and at last all the rest.
 */
const WINDOWS_MS = [1, 10, 100, 1000, 10_000, 100_000].map((minutes) => minutes * MINUTE_MS);
/** New operations are looked for from this long before the newest known one: clocks differ. */
const OVERLAP_MS = 5000;

/** Reads the task hub's newest operations, until the log is full or there are no more. */
export async function sweepAll(sweep: Sweep, capacity: number): Promise<Swept> {
  const { log } = sweep;
  const nowMs = Date.now();
  let truncated = false;
  let createdToMs: number | undefined;
  for (const windowMs of [...WINDOWS_MS, nowMs]) {
    const createdFromMs = nowMs - windowMs;
    // Clocks differ: the newest may have been created in our future.
    const toMs = createdToMs ?? nowMs + MINUTE_MS * 10;
    truncated = !(await sweepWindow(sweep, capacity, createdFromMs, toMs)) || truncated;
    createdToMs = createdFromMs;
    if (log.dropped || truncated || log.size >= capacity) break;
  }
  return { changes: [], truncated: truncated || log.dropped };
}

/** Reads one window of time, its newer half first where it holds too much. @returns whether whole */
async function sweepWindow(
  sweep: Sweep,
  capacity: number,
  createdFromMs: number,
  createdToMs: number,
): Promise<boolean> {
  const isWhole = await readPages(sweep, { createdFromMs, createdToMs }, WINDOW_PAGES);
  const middleMs = Math.floor((createdFromMs + createdToMs) / 2);
  if (isWhole || middleMs <= createdFromMs) return isWhole;
  const isNewerWhole = await sweepWindow(sweep, capacity, middleMs, createdToMs);
  if (!isNewerWhole || sweep.log.oldestCreatedAtMs >= middleMs) return false;
  if (newerThan(sweep.log, middleMs) >= capacity) return false;
  return sweepWindow(sweep, capacity, createdFromMs, middleMs);
}

/**
 * Reads what can have changed: the operations that live, those created since, and one by one those
 * that lived at the last pass and do no longer.
 */
export async function sweepChanges(sweep: Sweep): Promise<Swept> {
  const { poller, log } = sweep;
  const alive = new Set<string>();
  let newestCreatedAtMs = 0;
  for (const { operation } of log.entries()) {
    if (!operation.terminal) alive.add(operation.id);
    newestCreatedAtMs = Math.max(newestCreatedAtMs, operation.cursor.createdAtMs);
  }
  const changes: FeedEntry[] = [];
  const onFound = (id: string, entry: FeedEntry | undefined) => {
    alive.delete(id);
    if (entry) changes.push(entry);
  };
  const live = { createdFromMs: log.oldestCreatedAtMs, statuses: LIVE };
  const since = { createdFromMs: Math.max(0, newestCreatedAtMs - OVERLAP_MS) };
  const isWhole =
    (await readPages(sweep, live, MAX_PAGES, onFound)) &&
    (await readPages(sweep, since, MAX_PAGES, onFound));

  // What lived and was not found has ended, was purged, or lies behind the pages that were read.
  const ended = await Promise.all(
    [...alive].map(async (id) => ({ id, outcome: await poller.read(id) })),
  );
  for (const { id, outcome } of ended) {
    if (outcome.kind === "failed") throw outcome.error;
    if (outcome.kind === "missing") log.remove(id);
    else onFound(id, log.put(outcome.instance));
  }
  return { changes, truncated: !isWhole || log.dropped };
}

/** Puts what a query finds into the log, page by page. @returns whether it was read to its end */
async function readPages(
  { poller, prefix, log }: Sweep,
  query: Pick<InstanceQuery, "createdFromMs" | "createdToMs" | "statuses">,
  maxPages: number,
  onFound?: (id: string, entry: FeedEntry | undefined) => void,
): Promise<boolean> {
  let pageToken: string | undefined;
  for (let page = 0; page < maxPages; page += 1) {
    const { instances, nextPageToken } = await poller.query({
      ...query,
      ...(prefix && { idPrefix: prefix }),
      pageSize: PAGE_SIZE,
      pageToken,
    });
    for (const instance of instances) {
      // Entities are instances too, whose ids begin with "@"; they are no operations.
      if (instance.id.startsWith("@")) continue;
      const entry = log.put(instance);
      onFound?.(instance.id, entry);
    }
    if (!nextPageToken) return true;
    pageToken = nextPageToken;
  }
  return false;
}

function newerThan(log: FeedLog, createdAtMs: number): number {
  let count = 0;
  for (const { operation } of log.entries()) {
    if (operation.cursor.createdAtMs >= createdAtMs) count += 1;
  }
  return count;
}
