/** Limits of one page of a listing. */

/** Limit of a page, unless it is a single item. gRPC clients accept 4 MB by default. */
export const MAX_PAGE_BYTES = 1024 * 1024;

const DEFAULT_PAGE_SIZE = 100;
const MAX_PAGE_SIZE = 1000;

/** @param asked absent, zero or negative: the default */
export function pageSize(asked = 0): number {
  return Math.min(asked > 0 ? asked : DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE);
}
