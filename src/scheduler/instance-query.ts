/**
 * Lists instances in the order of their creation, page by page.
 *
 * A page token is the key of the last row, so a page neither repeats nor skips what was there when
 * the listing began. The work of one call is bounded: a page may be short, even empty, and still
 * carry a token.
 */
import { invalid } from "./errors.ts";
import { ALL_STATUSES } from "./status.ts";
import type { Instance, InstanceTable } from "./store-instances.ts";

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
}

/** Rows looked at in one call. */
const SCAN_LIMIT = 5000;

export function queryInstances(
  table: InstanceTable,
  filter: InstanceFilter,
  token: string | undefined,
  pageSize: number,
): Page<Instance> {
  const from = token ? parseToken(token) : { createdMs: filter.createdFromMs ?? 0, key: -1 };
  const scanned = scan(table, filter, from, filter.idPrefix ? SCAN_LIMIT : pageSize);
  const items: Instance[] = [];
  for (const [index, instance] of scanned.rows.entries()) {
    if (filter.idPrefix && !instance.instanceId.startsWith(filter.idPrefix)) continue;
    items.push(instance);
    if (items.length < pageSize) continue;
    const done = scanned.complete && index === scanned.rows.length - 1;
    return { items, token: done ? undefined : formatToken(instance) };
  }
  const last = scanned.rows.at(-1);
  return { items, token: scanned.complete || !last ? undefined : formatToken(last) };
}

/** Merges one index range per status, so that neither a rare nor a common status costs a full scan. */
function scan(
  table: InstanceTable,
  { hub, statuses, createdToMs }: InstanceFilter,
  from: { createdMs: number; key: number },
  limit: number,
): { rows: Instance[]; complete: boolean } {
  const to = createdToMs ?? Number.MAX_SAFE_INTEGER;
  const rows = (statuses.length > 0 ? [...new Set(statuses)] : ALL_STATUSES)
    .flatMap((status) =>
      table.select(
        `WHERE hub = ? AND status = ? AND (created_ms, key) > (?, ?) AND created_ms < ?
          ORDER BY created_ms, key LIMIT ?`,
        [hub, status, from.createdMs, from.key, to, limit + 1],
      ),
    )
    .sort((a, b) => a.createdMs - b.createdMs || a.key - b.key);
  return { rows: rows.slice(0, limit), complete: rows.length <= limit };
}

function formatToken({ createdMs, key }: Instance): string {
  return Buffer.from(`${createdMs}.${key}`).toString("base64url");
}

function parseToken(token: string): { createdMs: number; key: number } {
  const [createdMs, key] = Buffer.from(token, "base64url").toString().split(".").map(Number);
  if (!Number.isSafeInteger(createdMs) || !Number.isSafeInteger(key)) {
    throw invalid("The continuation token is not one that this scheduler gave out.");
  }
  return { createdMs: createdMs as number, key: key as number };
}
