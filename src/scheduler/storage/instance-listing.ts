/**
 * Lists instances page by page, in the order of creation, of completion, or (for a prefix) of ids. A
 * listing by prefix scans the ids of that prefix, or the recently created instances if the query has
 * a lower bound for the creation and they are few.
 *
 * A page token is the key of the last row, so a listing neither repeats nor skips instances that
 * existed when it began. The work of one call is bounded: a page may be short or even empty and
 * still have a token.
 */

import { ALL_STATUSES } from "../protocol/status.ts";
import { invalid } from "../protocol/status-errors.ts";
import type { InstanceRow, InstanceTable } from "./instance-table.ts";

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
  /** Absent on the last page. */
  readonly token: string | undefined;
  /** The token for a page that ends with this item. */
  readonly tokenAfter: (item: T) => string;
}

/** Limit of rows scanned in one call. */
const SCAN_LIMIT = 2000;

export function queryInstances(
  table: InstanceTable,
  filter: InstanceFilter,
  token: string | undefined,
  pageSize: number,
): Page<InstanceRow> {
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
): Page<InstanceRow> {
  const { hub, statuses, createdFromMs = 0, createdToMs = Number.MAX_SAFE_INTEGER } = filter;
  const after = token ? Buffer.from(token, "base64url").toString() : "";
  const tokenOf = ({ instanceId }: InstanceRow) => Buffer.from(instanceId).toString("base64url");
  const ids =
    "instance_id >= ? AND instance_id < ? AND instance_id > ? ORDER BY instance_id LIMIT ?";
  const range = [prefix, `${prefix}\u{10ffff}`, after];
  if (filter.createdFromMs !== undefined) {
    // Usually few instances are recent, however many ids the prefix has. Order and tokens are the same.
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
  const matches = ({ status, createdMs }: InstanceRow) =>
    (statuses.length === 0 || statuses.includes(status)) &&
    createdMs >= createdFromMs &&
    createdMs < createdToMs;
  const scanned = { rows: rows.slice(0, limit), complete: rows.length <= limit };
  return cut(scanned, pageSize, matches, tokenOf);
}

/** Merges one index range for each status, so that no status needs a full scan. */
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
  /** Empty: all terminal statuses. */
  readonly statuses: readonly number[];
  /** Inclusive. */
  readonly completedFromMs?: number | undefined;
  /** Exclusive. */
  readonly completedToMs?: number | undefined;
}

/** Terminal instances in the order of completion. */
export function listCompleted(
  table: InstanceTable,
  filter: CompletedFilter,
  token: string | undefined,
  pageSize: number,
): Page<InstanceRow> {
  const from = token ? parseToken(token) : { ms: filter.completedFromMs ?? 0, key: -1 };
  const to = filter.completedToMs ?? Number.MAX_SAFE_INTEGER;
  const limit = filter.statuses.length > 0 ? SCAN_LIMIT : pageSize;
  const rows = table.select(
    `WHERE hub = ? AND (completed_ms, key) > (?, ?) AND completed_ms < ?
      ORDER BY completed_ms, key LIMIT ?`,
    [filter.hub, from.ms, from.key, to, limit + 1],
  );
  const matches = (instance: InstanceRow) =>
    filter.statuses.length === 0 || filter.statuses.includes(instance.status);
  const scanned = { rows: rows.slice(0, limit), complete: rows.length <= limit };
  return cut(scanned, pageSize, matches, ({ completedMs = 0, key }) =>
    formatToken(completedMs, key),
  );
}

interface Scanned {
  readonly rows: readonly InstanceRow[];
  readonly complete: boolean;
}

/** Takes a page from the scanned rows. The token is that of the last row looked at. */
function cut(
  { rows, complete }: Scanned,
  pageSize: number,
  matches: (instance: InstanceRow) => boolean,
  tokenOf: (instance: InstanceRow) => string,
): Page<InstanceRow> {
  const items: InstanceRow[] = [];
  let last: InstanceRow | undefined;
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
    throw invalid("The continuation token was not issued by this scheduler.");
  }
  return { ms: ms as number, key: key as number };
}
