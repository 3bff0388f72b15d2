import { ACTIVE_STATUSES } from "../operation/operation-status.ts";
import type { Listing } from "../reading/listing.ts";
import type { Found } from "../reading/reader.ts";
import type { Announcer } from "./announcement.ts";

/** What became of a state that a sweep has listed. */
export type Refreshed =
  | "refreshed"
  /** It has changed, and the page did not carry all of its state: it must be read. */
  | "incomplete"
  /** The page was requested before a hint that has come since, and may not show its change. */
  | "early"
  /** A read that was sent later has returned already. */
  | "superseded"
  /** A read that had returned before the page was requested knew a later state: queries lag. */
  | "lagging";

/** A watched operation, as a sweep sees it. */
export interface Swept {
  readonly id: string;
  /** When it was created, in epoch milliseconds; `undefined` unless it is known to be active. */
  readonly activeSinceMs: number | undefined;
  /** By whom a change was announced that reads have not shown, if one was. */
  readonly announcedBy: Announcer | undefined;
  /** @param complete whether `found` carries custom status and output */
  take(found: Found, complete: boolean): Refreshed;
  /** Reads it by itself. Never rejects. */
  refresh(): Promise<unknown>;
  /** A sweep is about to refresh it: no read of its own is planned until then. */
  awaitSweep(): void;
}

/** Below this number of watched operations each is read by itself. */
const MIN_WATCHED = 20;
/** Instances that cost as much as one more read of a single operation, and so do their payloads. */
const INSTANCES_PER_READ = 25;
const CHARACTERS_PER_READ = 16 * 1024;
/** Most pages of one sweep. */
const MAX_PAGES = 20;
/** How long one page may take. */
const PAGE_WITHIN_MS = 3000;
/** Longest time between two sweeps that hinted operations wait for. */
const COLLECT_MAX_MS = 100;
/** How long there is no sweep after one that was not worth it, failed, or listed older states. */
const REST_MS = 60_000;

/** Whether a sweep can be made. Times by `performance.now()`. */
type State =
  | { readonly kind: "ready" }
  /** `hinted`: those that were hinted since it began and wait for it; `undefined` while each is read by itself. */
  | { readonly kind: "sweeping"; hinted: Set<Swept> | undefined }
  /** After a sweep that hinted operations waited for, until it is known whether the next is worth it. */
  | {
      readonly kind: "collecting";
      readonly hinted: Set<Swept>;
      readonly timer: NodeJS.Timeout;
    }
  | { readonly kind: "resting"; readonly untilMs: number };

/** How a sweep ended. */
type Outcome =
  /** All active instances that were created since its begin have been listed. */
  | "whole"
  /** It gave up: what was listed counts, and the rest is read by itself. */
  | "partial"
  | "not worth it";

/**
 * Refreshes many watched operations by one paged query, where that costs fewer reads. The protocol can
 * query only by status and by time of creation; what is listed and watched is refreshed.
 *   SWEEP-1. A sweep begins when as many operations were read by themselves, since the last one, as it
 *       cost last time: a read for each 25 instances, and one for each 16 KiB of payloads. So reads cost
 *       at most twice the minimum, whatever the operations do.
 *   SWEEP-2. A sweep that refreshed fewer than it cost, failed, or listed an older state than reads
 *       before it, is the last one for a minute; it ends at the page that shows this.
 *   SWEEP-3. Operations that wait for a sweep and were not refreshed are read by themselves; so is, once,
 *       an active one that a whole sweep did not list: it may have ended.
 *   SWEEP-4. One of the watched is read by itself at each sweep, in turn, to find out queries that lag.
 *   SWEEP-5. Hinted operations are read by themselves at once. When as many of these reads are under way as a
 *       whole sweep costs, they wait for a sweep instead, and so do those that are hinted while it is made
 *       and for as long again, at most 100 ms: the next sweep takes them if they are as many as it costs. A
 *       page counts for a hint that came before it was requested (WATCH-6).
 */
export class Sweeper {
  readonly #listing: Listing;
  readonly #watched: ReadonlyMap<string, Swept>;
  readonly #pageSize: number;
  #state: State = { kind: "ready" };
  /** Reads of single operations since the last sweep. */
  #spent = 0;
  /** What the last whole sweep cost. */
  #lastCost: number | undefined;
  /** Whether the last sweep was one. */
  #isWhole = true;
  /** Operations that are due and wait for the sweep. */
  readonly #waiting = new Set<Swept>();
  /** Hinted operations that are read by themselves at present. */
  readonly #hintsRead = new Set<Swept>();
  /** Active ones that a whole sweep did not list: read by themselves until a page lists them. */
  readonly #unlisted = new WeakSet<Swept>();
  #turn = 0;
  #closed = false;

  /** @param pageSize instances per page; 0 for no sweeps at all */
  constructor(listing: Listing, watched: ReadonlyMap<string, Swept>, pageSize: number) {
    this.#listing = listing;
    this.#watched = watched;
    this.#pageSize = pageSize;
  }

  /** Has operations refreshed that are due or hinted, by a sweep or each by itself. */
  refresh(due: readonly Swept[]): void {
    const swept: Swept[] = [];
    const hinted: Swept[] = [];
    for (const each of due) {
      const isListed = each.activeSinceMs !== undefined && !this.#unlisted.has(each);
      if (!isListed || each.announcedBy === "process") void each.refresh();
      else (each.announcedBy === "hint" ? hinted : swept).push(each);
    }
    if (hinted.length > 0) this.#refreshHinted(hinted);
    if (swept.length > 0) this.#refreshDue(swept);
  }

  close(): void {
    this.#closed = true;
    if (this.#state.kind === "collecting") clearTimeout(this.#state.timer);
    this.#waiting.clear();
  }

  #wait(watcher: Swept): void {
    watcher.awaitSweep();
    this.#waiting.add(watcher);
  }

  #refreshDue(due: readonly Swept[]): void {
    const { kind } = this.#state;
    const isExpected = kind === "sweeping" || kind === "collecting";
    if (isExpected || this.#isWorthIt(due.length)) {
      for (const each of due) this.#wait(each);
      if (!isExpected) void this.#sweep(false);
    } else {
      for (const each of due) void each.refresh();
    }
  }

  #isWorthIt(due: number): boolean {
    if (!this.#canSweep) return false;
    this.#spent += due;
    return this.#spent >= this.#expectedCost; // SWEEP-1
  }

  #refreshHinted(hinted: readonly Swept[]): void {
    if (!this.#areSwept(hinted.length)) {
      for (const each of hinted) this.#readHinted(each);
      return;
    }
    for (const each of hinted) this.#wait(each);
    if (this.#state.kind === "sweeping") this.#state.hinted ??= new Set();
    if ("hinted" in this.#state) for (const each of hinted) this.#state.hinted?.add(each);
    else void this.#sweep(true);
  }

  /** Whether hinted operations wait for a sweep, of which there are so many more now (SWEEP-5). */
  #areSwept(more: number): boolean {
    if (!this.#canSweep || !this.#isWhole) return false; // It may not list them.
    // A page without payloads shows only that there is a change, which hints say already.
    if (!this.#listing.complete) return false;
    if ("hinted" in this.#state && this.#state.hinted) return true;
    return this.#hintsRead.size + more >= this.#expectedCost;
  }

  #readHinted(watcher: Swept): void {
    this.#hintsRead.add(watcher);
    void watcher.refresh().then(() => this.#hintsRead.delete(watcher));
  }

  /** @param hinted those that were hinted since the last sweep began */
  #collect(hinted: Set<Swept>, forMs: number): void {
    const timer = setTimeout(() => {
      this.#state = { kind: "ready" };
      const active = [...hinted].filter((each) => this.#isActive(each));
      if (active.length >= this.#expectedCost) void this.#sweep(true);
      else this.refresh(this.#takeWaiting());
    }, forMs);
    this.#state = { kind: "collecting", hinted, timer };
  }

  /** Those that have waited and are still watched. */
  #takeWaiting(): Swept[] {
    const waiting = [...this.#waiting].filter((each) => this.#watched.get(each.id) === each);
    this.#waiting.clear();
    return waiting;
  }

  #isActive(watcher: Swept): boolean {
    return this.#watched.get(watcher.id) === watcher && watcher.activeSinceMs !== undefined;
  }

  get #canSweep(): boolean {
    if (this.#pageSize === 0 || this.#watched.size < MIN_WATCHED) return false;
    return this.#state.kind !== "resting" || performance.now() >= this.#state.untilMs;
  }

  /** What a sweep is expected to cost, in reads of single operations. */
  get #expectedCost(): number {
    return this.#lastCost ?? cost(this.#watched.size, 0);
  }

  /** @param takesHints whether hinted operations wait for it */
  async #sweep(takesHints: boolean): Promise<void> {
    const state: State = { kind: "sweeping", hinted: takesHints ? new Set() : undefined };
    this.#state = state;
    this.#spent = 0;
    const beganAtMs = performance.now();
    const active = [...this.#watched.values()].filter((each) => this.#isActive(each));
    const createdFromMs = active.reduce(
      (oldest, each) => Math.min(oldest, each.activeSinceMs ?? oldest),
      Number.POSITIVE_INFINITY,
    );
    const listed = new Set<Swept>();
    let outcome: Outcome;
    try {
      outcome = await this.#readPages(createdFromMs, listed);
    } catch {
      // The reads by themselves that follow will find out, and report, what is wrong.
      outcome = "not worth it";
    }
    if (this.#closed) return;
    this.#isWhole = outcome === "whole";
    const tookMs = performance.now() - beganAtMs;
    if (outcome === "not worth it") {
      this.#state = { kind: "resting", untilMs: performance.now() + REST_MS };
    } else if (state.hinted && this.#isWhole) {
      this.#collect(state.hinted, Math.min(COLLECT_MAX_MS, tookMs));
    } else this.#state = { kind: "ready" };
    const waiting = this.#takeWaiting();
    const alone = new Set<Swept>(waiting.filter((each) => !listed.has(each)));
    if (this.#isWhole) {
      for (const each of active) {
        if (listed.has(each) || this.#unlisted.has(each)) continue;
        this.#unlisted.add(each);
        alone.add(each); // SWEEP-3
      }
    }
    this.#turn = (this.#turn + 1) % active.length;
    const checked = active[this.#turn]; // SWEEP-4
    if (checked) alone.add(checked);
    for (const each of alone) if (this.#watched.get(each.id) === each) void each.refresh();
    // Listed on an early page, and due or hinted again before the last one.
    this.refresh(waiting.filter((each) => listed.has(each) && !alone.has(each)));
  }

  async #readPages(createdFromMs: number, listed: Set<Swept>): Promise<Outcome> {
    let refreshed = 0;
    let instances = 0;
    let characters = 0;
    let pageToken: string | undefined;
    for (let count = 0; count < MAX_PAGES && !this.#closed; count += 1) {
      const query = { createdFromMs, statuses: ACTIVE_STATUSES, pageToken };
      const page = await this.#listing.page(query, PAGE_WITHIN_MS);
      instances += page.instances.length;
      characters += page.payloadLength;
      for (const instance of page.instances) {
        const watcher = this.#watched.get(instance.id);
        if (!watcher) continue;
        listed.add(watcher);
        this.#unlisted.delete(watcher);
        const outcome = watcher.take({ ...page, kind: "found", instance }, page.complete);
        if (outcome === "lagging") return "not worth it";
        if (outcome === "incomplete") void watcher.refresh();
        else refreshed += 1;
        // It is refreshed again after the sweep where the page was requested too early for it.
        if (outcome === "refreshed" || outcome === "incomplete") this.#waiting.delete(watcher);
      }
      const isLast = !page.nextPageToken;
      const isTelling = isLast || instances >= this.#pageSize || instances === 0;
      if (isTelling && refreshed < cost(instances, 0)) return "not worth it"; // SWEEP-2
      if (isLast) {
        this.#lastCost = cost(instances, characters);
        return "whole";
      }
      pageToken = page.nextPageToken;
    }
    return "partial";
  }
}

/** What a sweep costs, in reads of single operations. */
function cost(instances: number, characters: number): number {
  return 1 + instances / INSTANCES_PER_READ + characters / CHARACTERS_PER_READ;
}
