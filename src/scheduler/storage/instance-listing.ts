/**
 * Lists instances page by page: in the order of their creation, of their end, or, where a prefix is
 * asked for, of their ids, so that only ids of that prefix are looked at, or only what is recent
 * where that is asked for and less.
 *
 * A page token is the key of the last row, so a page neither repeats nor skips what was there when
 * the listing began. The work of one call is bounded: a page may be short, even empty, and still
 * carry a token.
 */

import { ALL_STATUSES } from "../protocol/status.ts";
import { invalid } from "../protocol/status-errors.ts";
import type { Instance, InstanceTable } from "./instance-table.ts";

export interface InstanceFilter {
  readonly hub: number;
  /** Empty: all. */
  readonly statuses: readonly number[];
  /** Inclusive. */
  readonly createdFromMs?: number | undefined;
  /** Exclusive. */
  readonly createdToMs?: number | undefined;
  readonly idPrefix?: string | undefined;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Absent at the end. */
  readonly token: string | undefined;
  /** The token of a page that is cut after this item. */
  readonly tokenAfter: (item: T) => string;
}

/** Rows looked at in one call. */
const SCAN_LIMIT = 2000;

export function queryInstances(
  table: InstanceTable,
  filter: InstanceFilter,
  token: string | undefined,
  pageSize: number,
): Page<Instance> {
  if (filter.idPrefix) return queryByPrefix(table, filter, filter.idPrefix, token, pageSize);
  const from = token ? parseToken(token) : { ms: filter.createdFromMs ?? 0, key: -1 };
  const scanned = scan(table, filter, from, pageSize);
  return cut(
    scanned,
    pageSize,
    () => true,
    ({ createdMs, key }) => formatToken(createdMs, key),
  );
}

function queryByPrefix(
  table: InstanceTable,
  filter: InstanceFilter,
  prefix: string,
  token: string | undefined,
  pageSize: number,
): Page<Instance> {
  const { hub, statuses, createdFromMs = 0, createdToMs = Number.MAX_SAFE_INTEGER } = filter;
  const after = token ? Buffer.from(token, "base64url").toString() : "";
  const tokenOf = ({ instanceId }: Instance) => Buffer.from(instanceId).toString("base64url");
  const ids =
    "instance_id >= ? AND instance_id < ? AND instance_id > ? ORDER BY instance_id LIMIT ?";
  const range = [prefix, `${prefix}\u{10ffff}`, after];
  if (filter.createdFromMs !== undefined) {
    // Few are recent, most of the time, however many ids the prefix has. Order and tokens are the same.
    const wanted = statuses.length > 0 ? [...new Set(statuses)] : ALL_STATUSES;
    const created = `INDEXED BY instances_by_status WHERE hub = ?
      AND status IN (${wanted.map(() => "?")}) AND created_ms >= ? AND created_ms < ?`;
    const recent = [hub, ...wanted, createdFromMs, createdToMs];
    if (table.countUpTo(SCAN_LIMIT + 1, created, recent) <= SCAN_LIMIT) {
      const rows = table.select(`${created} AND ${ids}`, [...recent, ...range, pageSize + 1]);
      const scanned = { rows: rows.slice(0, pageSize), complete: rows.length <= pageSize };
      return cut(scanned, pageSize, () => true, tokenOf);
    }
  }
  const limit = Math.max(pageSize, SCAN_LIMIT);
  const rows = table.select(`WHERE hub = ? AND ${ids}`, [hub, ...range, limit + 1]);
  const matches = ({ status, createdMs }: Instance) =>
    (statuses.length === 0 || statuses.includes(status)) &&
    createdMs >= createdFromMs &&
    createdMs < createdToMs;
  const scanned = { rows: rows.slice(0, limit), complete: rows.length <= limit };
  return cut(scanned, pageSize, matches, tokenOf);
}

/** Merges one index range per status, so that neither a rare nor a common status costs a full scan. */
function scan(
  table: InstanceTable,
  { hub, statuses, createdToMs }: InstanceFilter,
  from: { ms: number; key: number },
  limit: number,
): Scanned {
  const to = createdToMs ?? Number.MAX_SAFE_INTEGER;
  const rows = (statuses.length > 0 ? [...new Set(statuses)] : ALL_STATUSES)
    .flatMap((status) =>
      table.select(
        `WHERE hub = ? AND status = ? AND (created_ms, key) > (?, ?) AND created_ms < ?
          ORDER BY created_ms, key LIMIT ?`,
        [hub, status, from.ms, from.key, to, limit + 1],
      ),
    )
    .sort((a, b) => a.createdMs - b.createdMs || a.key - b.key);
  return { rows: rows.slice(0, limit), complete: rows.length <= limit };
}

export interface CompletedFilter {
  readonly hub: number;
  /** Empty: all that mean an end. */
  readonly statuses: readonly number[];
  /** Inclusive. */
  readonly completedFromMs?: number | undefined;
  /** Exclusive. */
  readonly completedToMs?: number | undefined;
}

/** Instances that have ended, in the order of their end. */
export function listCompleted(
  table: InstanceTable,
  filter: CompletedFilter,
  token: string | undefined,
  pageSize: number,
): Page<Instance> {
  const from = token ? parseToken(token) : { ms: filter.completedFromMs ?? 0, key: -1 };
  const to = filter.completedToMs ?? Number.MAX_SAFE_INTEGER;
  const limit = filter.statuses.length > 0 ? SCAN_LIMIT : pageSize;
  const rows = table.select(
    `WHERE hub = ? AND (completed_ms, key) > (?, ?) AND completed_ms < ?
      ORDER BY completed_ms, key LIMIT ?`,
    [filter.hub, from.ms, from.key, to, limit + 1],
  );
  const matches = (instance: Instance) =>
    filter.statuses.length === 0 || filter.statuses.includes(instance.status);
  const scanned = { rows: rows.slice(0, limit), complete: rows.length <= limit };
  return cut(scanned, pageSize, matches, ({ completedMs = 0, key }) =>
    formatToken(completedMs, key),
  );
}

interface Scanned {
  readonly rows: readonly Instance[];
  readonly complete: boolean;
}

/** Takes a page from what was scanned; the token names the last row looked at. */
function cut(
  { rows, complete }: Scanned,
  pageSize: number,
  matches: (instance: Instance) => boolean,
  tokenOf: (instance: Instance) => string,
): Page<Instance> {
  const items: Instance[] = [];
  let last: Instance | undefined;
  for (last of rows) {
    if (matches(last) && items.push(last) === pageSize) break;
  }
  const done = complete && last === rows.at(-1);
  return { items, token: done || !last ? undefined : tokenOf(last), tokenAfter: tokenOf };
}

function formatToken(ms: number, key: number): string {
  return Buffer.from(`${ms}.${key}`).toString("base64url");
}

function parseToken(token: string): { ms: number; key: number } {
  const [ms, key] = Buffer.from(token, "base64url").toString().split(".").map(Number);
  if (!Number.isSafeInteger(ms) || !Number.isSafeInteger(key)) {
    throw invalid("The continuation token is not one that this scheduler gave out.");
  }
  return { ms: ms as number, key: key as number };
}
