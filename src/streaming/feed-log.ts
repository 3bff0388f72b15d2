import { type Instance, isSameInstance } from "../dts/instance.ts";
import { isBefore, isSameState } from "./cursor.ts";
import { type Operation, toOperation } from "./operation.ts";

/** The present state of one operation, and when it became so. */
export interface FeedEntry {
  readonly operation: Operation;
  /** The state before it, where the feed has carried it. */
  readonly previous: Operation | undefined;
  /** Counts the changes of the whole feed. */
  readonly seq: number;
}

/**
 * The operations that a feed carries: the newest by `created_at`, in the order of their last change.
 *   L1. One entry an operation, its latest state; a change moves it to the end.
 *   L2. At most `capacity` entries, and `maxLength` characters of documents: beyond either, the ones
 *       created first are dropped.
 *   L3. No entry goes back to an older state (C2).
 */
export class FeedLog {
  readonly #capacity: number;
  readonly #maxLength: number;
  #length = 0;
  #dropped = false;
  /** By id; insertion order is the order of `seq`. */
  readonly #entries = new Map<string, FeedEntry>();
  #seq = 0;

  constructor(capacity: number, maxLength: number) {
    this.#capacity = capacity;
    this.#maxLength = maxLength;
  }

  /** Whether there was an operation that found no room. */
  get dropped(): boolean {
    return this.#dropped;
  }

  /** The number of the last change. */
  get seq(): number {
    return this.#seq;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(id: string): FeedEntry | undefined {
    return this.#entries.get(id);
  }

  /** In the order of their last change. */
  entries(): Iterable<FeedEntry> {
    return this.#entries.values();
  }

  /** Those changed after `seq`, oldest change first. */
  since(seq: number): FeedEntry[] {
    const changed: FeedEntry[] = [];
    for (const entry of [...this.#entries.values()].reverse()) {
      if (entry.seq <= seq) break;
      changed.push(entry);
    }
    return changed.reverse();
  }

  /** Ids, the newest operation first. */
  newestFirst(): string[] {
    return [...this.#entries.values()]
      .sort((a, b) => b.operation.cursor.createdAtMs - a.operation.cursor.createdAtMs)
      .map(({ operation }) => operation.id);
  }

  /** When the first of the carried operations was created; 0 where there is none. */
  get oldestCreatedAtMs(): number {
    return this.#entries.size === 0 ? 0 : this.#oldest().operation.cursor.createdAtMs;
  }

  /** Takes what a read has found. @returns the new entry, where it is something new */
  put(instance: Instance): FeedEntry | undefined {
    const known = this.#entries.get(instance.id);
    if (known && isSameInstance(instance, known.operation.instance)) return undefined;
    const operation = toOperation(instance, known?.operation.cursor);
    if (known) {
      if (isBefore(operation.cursor, known.operation.cursor)) return undefined; // L3
      if (isSameState(operation.cursor, known.operation.cursor)) return undefined;
    }
    this.remove(instance.id);
    if (!this.#makeRoomFor(operation)) return undefined;
    this.#seq += 1;
    const entry = { operation, previous: known?.operation, seq: this.#seq };
    this.#entries.set(instance.id, entry); // L1
    this.#length += operation.json.length;
    return entry;
  }

  remove(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#entries.delete(id);
    this.#length -= entry.operation.json.length;
  }

  /** @returns false where those that would have to go are newer (L2) */
  #makeRoomFor(candidate: Operation): boolean {
    while (
      this.#entries.size > 0 &&
      (this.#entries.size >= this.#capacity ||
        this.#length + candidate.json.length > this.#maxLength)
    ) {
      const { operation } = this.#oldest();
      this.#dropped = true;
      if (isOlder(candidate, operation)) return false;
      this.remove(operation.id);
    }
    return true;
  }

  #oldest(): FeedEntry {
    let oldest: FeedEntry | undefined;
    for (const entry of this.#entries.values()) {
      if (!oldest || isOlder(entry.operation, oldest.operation)) oldest = entry;
    }
    if (!oldest) throw new RangeError("The feed is empty");
    return oldest;
  }
}

/** By creation, and by id within a millisecond, so that every replica drops the same ones. */
function isOlder(a: Operation, b: Operation): boolean {
  if (a.cursor.createdAtMs !== b.cursor.createdAtMs) {
    return a.cursor.createdAtMs < b.cursor.createdAtMs;
  }
  return a.id < b.id;
}
