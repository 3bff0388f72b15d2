import { type Cursor, isSameState } from "../operation/cursor.ts";
import type { Operation } from "../operation/operation.ts";
import type { OperationFilter } from "../operation/operation-filter.ts";
import { type StateEvent, snapshotOf, updateOf } from "../operation/state-event.ts";
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

/** An operation that the client has does not match its filter any more. */
export interface Removal {
  readonly type: "removed";
  readonly operation: Operation;
}

export type FeedEvent = StateEvent | Removal;

/** What the client has of an operation: a state that matches, none, or unknown. */
type Possession =
  | { readonly kind: "state"; readonly cursor: Cursor }
  | { readonly kind: "none" }
  | { readonly kind: "unknown" };

const NONE: Possession = { kind: "none" };
const UNKNOWN: Possession = { kind: "unknown" };

/** A change that the client has not been sent. */
interface Pending {
  /** The latest one. */
  entry: FeedEntry;
  readonly has: Possession;
  /** The date of the first change that it lacks. */
  readonly sinceMs: number;
}

/**
 * What one client of a feed has been sent, and what is next.
 *   FEED-POSITION-1. The first load is the newest operation first; what changed meanwhile is pending,
 *                    the oldest change first. Pending terminal states come before both.
 *   FEED-POSITION-2. No state is sent twice in a row, also after a client has lagged (C2).
 *   FEED-POSITION-3. At any time the watermark covers what was sent, or is not for this client, and
 *                    nothing else. During the first load it is for the operations created since a time:
 *                    those that were loaded.
 *   FEED-POSITION-4. A client that has caught up has exactly the operations that match its filter: one
 *                    that ceases to match is removed, and one that it may have, after a resume, too.
 */
export class FeedPosition {
  readonly #feed: Source;
  readonly #filter: OperationFilter;
  readonly #scope: string;
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
  constructor(feed: Source, filter: OperationFilter, after: string | undefined) {
    this.#feed = feed;
    this.#filter = filter;
    this.#scope = feed.scope(filter);
    this.#resume = parseWatermark(after, this.#scope, feed);
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
      else if (this.#matches(operation)) {
        if (this.#resume && wasLoaded) changed.push(entry);
        else this.#load.push(entry);
      } else if (this.#resume && dateOf(entry) >= this.#resume.throughMs) {
        changed.push(entry); // It may have matched when the client was sent it (FEED-POSITION-4).
      } else this.#note(operation);
    }
    this.#load.reverse();
    changed.sort((a, b) => dateOf(a) - dateOf(b));
    for (const entry of changed) {
      const pending = { entry, has: UNKNOWN, sinceMs: dateOf(entry) };
      this.#pending.set(entry.operation.id, pending);
    }
  }

  /**
   * Takes a change.
   * @param isReady whether the client can be sent it
   * @returns what is to be sent now, and counts as sent
   */
  take(entry: FeedEntry, isReady: boolean): FeedEvent | undefined {
    if (!this.#begun || entry.seq <= this.#seq) return undefined;
    const isCaughtUp = this.#isCaughtUp;
    if (isCaughtUp && !isReady) this.#recent = this.#sentLately();
    this.#seq = entry.seq;
    if (isCaughtUp && isReady) return this.#eventOf(entry);
    this.#addPending(entry);
    return undefined;
  }

  /** The next event to be sent, which counts as sent; `undefined` when the client has caught up. */
  next(): FeedEvent | undefined {
    return this.#takePending(true) ?? this.#takeLoad() ?? this.#takePending(false);
  }

  /** The id of an event that is sent now. */
  watermark(): string | undefined {
    if (!this.#begun) return this.#watermark;
    const { log, safeThroughMs } = this.#feed;
    const before = this.#resume?.throughMs ?? 0;
    // Changes that the log has already and this client was not notified of yet are neither sent nor pending.
    const isInSync = this.#seq === log.seq;
    if (isInSync) this.#safeMs = safeThroughMs;
    const isCaughtUp = this.#isCaughtUp;
    if (isCaughtUp && !isInSync) return this.#watermark;
    if (isCaughtUp && safeThroughMs >= before) {
      this.#watermark = this.#feed.watermark(this.#scope); // the same for all that have caught up
      return this.#watermark;
    }
    let throughMs = this.#safeMs;
    for (const { sinceMs } of this.#pending.values()) throughMs = Math.min(throughMs, sinceMs);
    const sent = isCaughtUp ? this.#sentLately() : this.#recent;
    const since = Math.max(before, throughMs);
    this.#watermark = formatWatermark(this.#scope, since, sent, [], this.#part());
    return this.#watermark;
  }

  get #isCaughtUp(): boolean {
    return this.#load.length === 0 && this.#pending.size === 0;
  }

  #part(): string | undefined {
    const next = this.#load.at(-1);
    return next && formatTime(next.operation.cursor.createdAtMs + 1);
  }

  #matches({ instance }: Operation): boolean {
    return this.#filter.matches(instance);
  }

  /** What a client has that was sent everything before this change. */
  #possessionBefore({ previous }: FeedEntry): Possession {
    return previous && this.#matches(previous) ? { kind: "state", cursor: previous.cursor } : NONE;
  }

  /** The event of a change for a client that was sent everything before it. */
  #eventOf(entry: FeedEntry): FeedEvent | undefined {
    const { operation, previous } = entry;
    const has = this.#possessionBefore(entry);
    if (!this.#matches(operation)) return removalOf(operation, has);
    return previous && has.kind === "state"
      ? updateOf(previous, operation, 0)
      : snapshotOf(operation);
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
    const has = at >= 0 ? NONE : this.#possessionBefore(entry);
    if (has.kind === "none" && !this.#matches(entry.operation)) {
      this.#note(entry.operation);
      return;
    }
    this.#pending.set(id, { entry, has, sinceMs: dateOf(entry) });
    const { log } = this.#feed;
    if (this.#pending.size <= log.size) return;
    for (const each of this.#pending.keys()) if (!log.get(each)) this.#pending.delete(each);
  }

  /** Removes the next operation of the first load. */
  #takeLoad(): FeedEvent | undefined {
    for (let entry = this.#load.pop(); entry; entry = this.#load.pop()) {
      const { operation } = entry;
      if (!this.#isCarried(operation)) continue;
      this.#note(operation);
      return snapshotOf(operation);
    }
    return undefined;
  }

  /** Removes the pending change that is next. */
  #takePending(terminalOnly: boolean): FeedEvent | undefined {
    for (const [id, { entry, has }] of this.#pending) {
      const { operation } = entry;
      if (terminalOnly && !operation.terminal) continue;
      this.#pending.delete(id);
      const event = this.#matches(operation) ? stateOf(operation, has) : removalOf(operation, has);
      if (event?.type !== "removed" && !this.#isCarried(operation)) continue;
      this.#note(operation);
      if (event) return event;
    }
    return undefined;
  }

  /** Meanwhile it may have been purged, or dropped for newer ones. */
  #isCarried({ id }: Operation): boolean {
    return this.#feed.log.get(id) !== undefined;
  }

  /** Remembers a state that the client has, or that is not for it. */
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

/** The event that gives a client a state, unless it has it (FEED-POSITION-2). */
function stateOf(operation: Operation, has: Possession): FeedEvent | undefined {
  if (has.kind === "state" && isSameState(has.cursor, operation.cursor)) return undefined;
  return snapshotOf(operation);
}

/** The event that takes an operation from a client, unless it has not got it (FEED-POSITION-4). */
function removalOf(operation: Operation, has: Possession): FeedEvent | undefined {
  return has.kind === "none" ? undefined : { type: "removed", operation };
}

function newest(sent: readonly Sent[]): Sent[] {
  return [...sent].sort((a, b) => b.lastUpdatedAtMs - a.lastUpdatedAtMs).slice(0, MAX_SEEN);
}

function dateOf({ operation }: FeedEntry): number {
  return operation.cursor.lastUpdatedAtMs;
}
