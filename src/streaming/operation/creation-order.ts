/** What orders operations by their creation. */
export interface Creation {
  readonly id: string;
  /** Epoch milliseconds. */
  readonly createdAtMs: number;
}

/** By creation, and by id within a millisecond, so that every replica orders them alike. */
export function isOlder(a: Creation, b: Creation): boolean {
  return a.createdAtMs !== b.createdAtMs ? a.createdAtMs < b.createdAtMs : a.id < b.id;
}

/** For sorting: the newest first. */
export function newestFirst(a: Creation, b: Creation): number {
  return isOlder(a, b) ? 1 : -1;
}
