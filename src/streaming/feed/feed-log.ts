import { type Creation, isOlder } from "../operation/creation-order.ts";
import { isBefore, isSameState } from "../operation/cursor.ts";
import type { Operation } from "../operation/operation.ts";

/** The present state of one operation in a feed, and the number of the change that led to it. */
export interface FeedEntry {
  readonly operation: Operation;
  /** The state before it, where the feed has carried it. For the event of this change only. */
  readonly previous: Operation | undefined;
  /** Counts the changes of the whole feed. */
  readonly seq: number;
}

/**
 * The operations that a feed carries: the newest by `created_at`, in the order of their last change.
 *   FEEDLOG-1. One entry an operation, its latest state; a change moves it to the end.
 *   FEEDLOG-2. At most `capacity` entries, and `maxLength` characters of documents: beyond either, the
 *       operations created first are dropped.
 *   LOG-3. An entry does not keep the states before it.
 *   LOG-4. A state whose date alone has moved is no change, and has the new date: replicas that learned of
 *       it at different times compare it with the same watermark.
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

  /** Whether there was an operation for which there was no room. */
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
    return this.#entries.size === 0 ? 0 : this.#oldest().cursor.createdAtMs;
  }

  /** Whether there is room for an operation, or for it in the place of an older one. Remembers a no. */
  hasRoomFor(instance: Creation): boolean {
    if (this.#entries.has(instance.id) || this.#entries.size < this.#capacity) return true;
    const older = isOlder(instance, creationOf(this.#oldest()));
    this.#dropped ||= older;
    return !older;
  }

  /** Takes a state. @returns the new entry and the state before it, where the state is new */
  put(operation: Operation): FeedEntry | undefined {
    const entry = this.#entries.get(operation.id);
    const known = entry?.operation;
    if (known && isSameState(operation.cursor, known.cursor)) {
      const isMoved = isBefore(known.cursor, operation.cursor);
      if (isMoved) this.#entries.set(operation.id, { ...entry, operation }); // LOG-4
      return undefined;
    }
    this.remove(operation.id);
    if (!this.#makeRoomFor(operation)) return undefined;
    this.#seq += 1;
    const changed = { operation, previous: undefined, seq: this.#seq };
    this.#entries.set(operation.id, changed); // FEEDLOG-1
    this.#length += operation.size;
    return { ...changed, previous: known }; // LOG-3
  }

  remove(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#entries.delete(id);
    this.#length -= entry.operation.size;
  }

  /** @returns false where those that would have to go are newer (FEEDLOG-2) */
  #makeRoomFor(candidate: Operation): boolean {
    while (
      this.#entries.size > 0 &&
      (this.#entries.size >= this.#capacity || this.#length + candidate.size > this.#maxLength)
    ) {
      const oldest = this.#oldest();
      this.#dropped = true;
      if (isOlder(creationOf(candidate), creationOf(oldest))) return false;
      this.remove(oldest.id);
    }
    return true;
  }

  #oldest(): Operation {
    let oldest: Operation | undefined;
    for (const { operation } of this.#entries.values()) {
      if (!oldest || isOlder(creationOf(operation), creationOf(oldest))) oldest = operation;
    }
    if (!oldest) throw new RangeError("The feed is empty");
    return oldest;
  }
}

function creationOf({ id, cursor }: Operation): Creation {
  return { id, createdAtMs: cursor.createdAtMs };
}
