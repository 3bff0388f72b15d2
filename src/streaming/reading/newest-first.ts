import type { InstanceRead, RuntimeStatus } from "../../dts/instance.ts";
import { newestFirst } from "../operation/creation-order.ts";
import type { Listed, Listing } from "./listing.ts";
import type { ReadTime } from "./reader.ts";

const MINUTE_MS = 60_000;
/** A window that would reach back further than this, 70 days, has no beginning. */
const MAX_WIDTH_MS = 100_000 * MINUTE_MS;
/** What one window is meant to hold, and what it may hold, in instances and in characters of payloads. */
const WANTED = { instances: 500, characters: 4 * 1024 * 1024 };
const ROOM = { instances: 1000, characters: 8 * 1024 * 1024 };
/** Most pages of one window: pages may be empty and yet not the last. */
const MAX_PAGES = 40;
/** How many times as much room there is where a window cannot be narrowed. */
const ROOM_AT_ONCE = 10;
/** How much narrower or wider the next window is than the last one, at most. */
const MAX_FACTOR = 8;

/** An instance, and the page that listed it. */
export interface ListedInstance {
  readonly instance: InstanceRead;
  readonly page: Listed;
}

/** The instances that were created within one window of time, the newest first, entities left out. */
export interface Window {
  readonly listed: readonly ListedInstance[];
  /** When the first page was requested. */
  readonly time: ReadTime;
}

export interface NewestFirstQuery {
  readonly idPrefix: string;
  /** Default: any. */
  readonly statuses?: readonly RuntimeStatus[] | undefined;
  /** Created at this time or later, in epoch milliseconds. */
  readonly createdFromMs?: number | undefined;
  /** Created before this time; default: to the end, since the scheduler's clock may be ahead of ours. */
  readonly createdToMs?: number | undefined;
  /** Length of the first window. */
  readonly widthMs?: number | undefined;
}

/**
 * Lists instances, those created last first. A query has no order and cannot be asked for the newest, so
 * it is asked for windows of time, from the present back.
 *   NEWEST-1. Windows adjoin. Each is listed as a whole, and sorted; none holds newer instances than the
 *       one before it.
 *   NEWEST-2. A window that holds too much is given up, and a narrower one takes its place. Where it
 *       cannot be narrower, since all of it was created within a millisecond, the listing ends there.
 */
export class NewestFirst {
  readonly #listing: Listing;
  readonly #query: NewestFirstQuery;
  readonly #beganAtMs = Date.now();
  #toMs: number | undefined;
  #widthMs: number;
  /** The beginning of the last window that was given up. */
  #fullFromMs = Number.NEGATIVE_INFINITY;
  #pages = 0;
  #state: "listing" | "narrowed" | "done" | "too full" = "listing";

  constructor(listing: Listing, query: NewestFirstQuery) {
    this.#listing = listing;
    this.#query = query;
    this.#toMs = query.createdToMs;
    this.#widthMs = query.widthMs ?? MINUTE_MS;
  }

  /** Whether there is no further window. */
  get isDone(): boolean {
    return this.#state === "done" || this.#state === "too full";
  }

  /** Whether it has ended before its end, at a millisecond that holds too much (NEWEST-2). */
  get isTooFull(): boolean {
    return this.#state === "too full";
  }

  /** What was created at this time or later has been listed; `undefined` while nothing has. */
  get listedFromMs(): number | undefined {
    return this.#toMs;
  }

  /** Length of the next window. */
  get widthMs(): number {
    return this.#widthMs;
  }

  /** Pages read so far. */
  get pages(): number {
    return this.#pages;
  }

  /** Lists the next window; an empty one may stand for one that was given up. @throws SchedulerError */
  async next(): Promise<Window> {
    const { createdFromMs = 0 } = this.#query;
    const toMs = this.#toMs;
    const endMs = toMs ?? this.#beganAtMs;
    // A window that is open towards the future is narrowed to what is ahead of our clock.
    const isAhead = toMs === undefined && this.#state === "narrowed";
    const widthMs = isAhead ? 0 : this.#widthMs > MAX_WIDTH_MS ? endMs : this.#widthMs;
    const fromMs = Math.max(createdFromMs, endMs - widthMs);
    const isNarrowest = isAhead || (toMs !== undefined && toMs - fromMs <= 1);
    const window = await this.#list(fromMs, toMs, isNarrowest ? ROOM_AT_ONCE : 1);
    if (window.isWhole) {
      this.#toMs = fromMs;
      if (!isAhead) this.#widthMs = this.#nextWidth(fromMs, window);
      this.#state = fromMs <= createdFromMs ? "done" : "listing";
      return window;
    }
    this.#state = isNarrowest ? "too full" : "narrowed"; // NEWEST-2
    this.#fullFromMs = fromMs;
    const narrower = Math.floor((endMs - fromMs) / MAX_FACTOR);
    this.#widthMs = Math.min(MAX_WIDTH_MS, Math.max(1, narrower));
    return isNarrowest ? window : { ...window, listed: [] };
  }

  /** As long as holds what is wanted, if as much was created before as in the last window. */
  #nextWidth(fromMs: number, { listed, characters }: FilledWindow): number {
    const fill = Math.max(listed.length / WANTED.instances, characters / WANTED.characters);
    const factor = Math.min(MAX_FACTOR, Math.max(1 / MAX_FACTOR, 1 / fill));
    const widthMs = Math.ceil(this.#widthMs * factor);
    // What is left of a window that was given up holds nearly all of it: its half is tried next.
    const left = fromMs - this.#fullFromMs;
    return left > 0 ? Math.min(widthMs, Math.ceil(left / 2)) : widthMs;
  }

  async #list(fromMs: number, toMs: number | undefined, room: number): Promise<FilledWindow> {
    const { idPrefix, statuses } = this.#query;
    const listed: ListedInstance[] = [];
    let characters = 0;
    let first: Listed | undefined;
    let pageToken: string | undefined;
    for (let pages = 1; ; pages += 1) {
      const page = await this.#listing.page({
        createdFromMs: fromMs,
        ...(toMs !== undefined && { createdToMs: toMs }),
        ...(idPrefix && { idPrefix }),
        ...(statuses && { statuses }),
        pageToken,
      });
      this.#pages += 1;
      first ??= page;
      characters += page.payloadLength;
      for (const instance of page.instances) {
        if (!instance.id.startsWith("@")) listed.push({ instance, page });
      }
      pageToken = page.nextPageToken;
      const isFull =
        listed.length > ROOM.instances * room ||
        characters > ROOM.characters * room ||
        pages >= MAX_PAGES * room;
      if (pageToken && !isFull) continue;
      listed.sort((a, b) => newestFirst(a.instance, b.instance)); // NEWEST-1
      return { listed, characters, time: first, isWhole: !pageToken };
    }
  }
}

interface FilledWindow extends Window {
  readonly characters: number;
  /** Whether all of it is listed. */
  readonly isWhole: boolean;
}
