import { type Cursor, isSameState } from "../operation/cursor.ts";
import type { Operation } from "../operation/operation.ts";
import {
  formatTime,
  formatWatermark,
  MAX_SEEN,
  parseTime,
  parseWatermark,
  type Sent,
  type Watermark,
} from "../operation/watermark.ts";
import type { Feed } from "./feed.ts";
import type { FeedEntry } from "./feed-log.ts";

/** What a position needs of its feed. */
type Source = Pick<Feed, "log" | "scope" | "safeThroughMs" | "isValidThrough" | "watermark">;

/** A change that the client has not been sent. */
interface Pending {
  /** The latest one. */
  entry: FeedEntry;
  /** What the client has of this operation, if anything. */
  readonly has: Cursor | undefined;
  /** The date of the first change that it lacks. */
  readonly sinceMs: number;
}

/**
 * What one client of a feed has been sent, and what is next.
 *   FEED-POSITION-1. The first load is the newest operation first; what changed meanwhile is pending,
 *                    the oldest change first. Pending terminal states come before both.
 *   FEED-POSITION-2. No state is sent twice in a row, also after a client has lagged (C2).
 *   FEED-POSITION-3. At any time the watermark covers what was sent and nothing else. During the first
 *                    load it is for the operations created since a time: those that were loaded.
 */
export class FeedPosition {
  readonly #feed: Source;
  readonly #resume: Watermark | undefined;
  /** Of a first load that was cut off: the operations created since then were sent. */
  readonly #resumedFromMs: number;
  #begun = false;
  /** The last change that is sent or pending. */
  #seq = 0;
  /** The rest of the first load, the next operation last. */
  #load: FeedEntry[] = [];
  /** By operation, oldest first. */
  readonly #pending = new Map<string, Pending>();
  /** The newest states that the client has, while it has not caught up. */
  #recent: Sent[] = [];
  /** The last date through which all changes are known to be sent or pending. */
  #safeMs = 0;
  /** The last id that the client was given. */
  #watermark: string | undefined;

  /** @param after the watermark that the client stopped at, as it sent it */
  constructor(feed: Source, after: string | undefined) {
    this.#feed = feed;
    this.#resume = parseWatermark(after, feed.scope, feed);
    this.#resumedFromMs = this.#resume?.part ? parseTime(this.#resume.part) : 0;
    this.#watermark = this.#resume && after;
  }

  get isResumed(): boolean {
    return this.#resume !== undefined;
  }

  get begun(): boolean {
    return this.#begun;
  }

  /** Takes the present content of the feed. */
  begin(): void {
    const { log } = this.#feed;
    this.#begun = true;
    this.#seq = log.seq;
    const changed: FeedEntry[] = [];
    for (const id of log.newestFirst()) {
      const entry = log.get(id);
      if (!entry) continue;
      const { operation } = entry;
      const wasLoaded = operation.cursor.createdAtMs >= this.#resumedFromMs;
      if (this.#resume?.covers(operation, wasLoaded)) this.#note(operation);
      else if (this.#resume && wasLoaded) changed.push(entry);
      else this.#load.push(entry);
    }
    this.#load.reverse();
    changed.sort((a, b) => dateOf(a) - dateOf(b));
    for (const entry of changed) {
      const pending = { entry, has: undefined, sinceMs: dateOf(entry) };
      this.#pending.set(entry.operation.id, pending);
    }
  }

  /**
   * Takes a change.
   * @param isReady whether the client can be sent it
   * @returns whether it is to be sent now, and counts as sent
   */
  take(entry: FeedEntry, isReady: boolean): boolean {
    if (!this.#begun || entry.seq <= this.#seq) return false;
    const isCaughtUp = this.#isCaughtUp;
    if (isCaughtUp && !isReady) this.#recent = this.#sentLately();
    this.#seq = entry.seq;
    if (isCaughtUp && isReady) return true;
    this.#addPending(entry);
    return false;
  }

  /** The next state to be sent, which counts as sent; `undefined` when the client has caught up. */
  next(): Operation | undefined {
    for (;;) {
      const entry = this.#takePending(true) ?? this.#load.pop() ?? this.#takePending(false);
      if (!entry) return undefined;
      // Meanwhile it may have been purged, or dropped for newer ones.
      if (!this.#feed.log.get(entry.operation.id)) continue;
      this.#note(entry.operation);
      return entry.operation;
    }
  }

  /** The id of an event that is sent now. */
  watermark(): string | undefined {
    if (!this.#begun) return this.#watermark;
    const { log, scope, safeThroughMs } = this.#feed;
    const before = this.#resume?.throughMs ?? 0;
    // Changes that the log has already and this client was not notified of yet are neither sent nor pending.
    const isInSync = this.#seq === log.seq;
    if (isInSync) this.#safeMs = safeThroughMs;
    const isCaughtUp = this.#isCaughtUp;
    if (isCaughtUp && !isInSync) return this.#watermark;
    if (isCaughtUp && safeThroughMs >= before) {
      this.#watermark = this.#feed.watermark(); // the same for all that have caught up
      return this.#watermark;
    }
    let throughMs = this.#safeMs;
    for (const { sinceMs } of this.#pending.values()) throughMs = Math.min(throughMs, sinceMs);
    const sent = isCaughtUp ? this.#sentLately() : this.#recent;
    this.#watermark = formatWatermark(scope, Math.max(before, throughMs), sent, [], this.#part());
    return this.#watermark;
  }

  get #isCaughtUp(): boolean {
    return this.#load.length === 0 && this.#pending.size === 0;
  }

  #part(): string | undefined {
    const next = this.#load.at(-1);
    return next && formatTime(next.operation.cursor.createdAtMs + 1);
  }

  #addPending(entry: FeedEntry): void {
    const { id } = entry.operation;
    const known = this.#pending.get(id);
    if (known) {
      known.entry = entry;
      return;
    }
    const at = this.#load.findIndex(({ operation }) => operation.id === id);
    if (at >= 0) this.#load.splice(at, 1);
    const has = at >= 0 ? undefined : entry.previous?.cursor;
    this.#pending.set(id, { entry, has, sinceMs: dateOf(entry) });
    const { log } = this.#feed;
    if (this.#pending.size <= log.size) return;
    for (const each of this.#pending.keys()) if (!log.get(each)) this.#pending.delete(each);
  }

  /** Removes the pending change that is next. */
  #takePending(terminalOnly: boolean): FeedEntry | undefined {
    for (const [id, { entry, has }] of this.#pending) {
      if (terminalOnly && !entry.operation.terminal) continue;
      this.#pending.delete(id);
      if (!has || !isSameState(has, entry.operation.cursor)) return entry;
      this.#note(entry.operation); // FEED-POSITION-2
    }
    return undefined;
  }

  /** Remembers a state that the client has. */
  #note({ id, cursor }: Operation): void {
    this.#recent.push({ id, ...cursor });
    if (this.#recent.length > MAX_SEEN * 2) this.#recent = newest(this.#recent);
  }

  /** What a client that has caught up was sent lately. */
  #sentLately(): Sent[] {
    const sent: Sent[] = [];
    for (const { operation, seq } of this.#feed.log.entries()) {
      const { id, cursor } = operation;
      if (seq <= this.#seq && cursor.lastUpdatedAtMs >= this.#safeMs) sent.push({ id, ...cursor });
    }
    return newest(sent);
  }
}

function newest(sent: readonly Sent[]): Sent[] {
  return [...sent].sort((a, b) => b.lastUpdatedAtMs - a.lastUpdatedAtMs).slice(0, MAX_SEEN);
}

function dateOf({ operation }: FeedEntry): number {
  return operation.cursor.lastUpdatedAtMs;
}
