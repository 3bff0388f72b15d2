import { ACTIVE_STATUSES } from "../operation/operation-status.ts";
import type { Listing } from "../reading/listing.ts";
import type { Found } from "../reading/reader.ts";

/** What became of a state that a sweep has listed. */
export type Refreshed =
  | "refreshed"
  /** It has changed, and the page did not carry all of its state: it must be read. */
  | "incomplete"
  /** A read that was sent later has returned already. */
  | "superseded"
  /** A read that had returned before the page was requested knew a later state: queries lag. */
  | "lagging";

/** A watched operation, as a sweep sees it. */
export interface Swept {
  readonly id: string;
  /** When it was created, in epoch milliseconds; `undefined` unless it is known to be active. */
  readonly activeSinceMs: number | undefined;
  /** Whether it is to be read before a sweep may get to it. */
  readonly expectsChange: boolean;
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
/** How long there is no sweep after one that was not worth it, failed, or listed older states. */
const REST_MS = 60_000;

/** Whether a sweep can be made. Times by `performance.now()`. */
type State =
  | { readonly kind: "ready" }
  | { readonly kind: "sweeping" }
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
  /** Operations that are due and wait for the sweep. */
  readonly #waiting = new Set<Swept>();
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

  /** Has operations refreshed that are due, by a sweep or each by itself. */
  refresh(due: readonly Swept[]): void {
    const isSwept = (each: Swept) =>
      each.activeSinceMs !== undefined && !each.expectsChange && !this.#unlisted.has(each);
    const swept = due.filter(isSwept);
    for (const each of due) if (!isSwept(each)) void each.refresh();
    if (this.#state.kind === "sweeping") {
      for (const each of swept) this.#wait(each);
    } else if (this.#isWorthIt(swept.length)) {
      for (const each of swept) this.#wait(each);
      void this.#sweep();
    } else {
      for (const each of swept) void each.refresh();
    }
  }

  close(): void {
    this.#closed = true;
    this.#waiting.clear();
  }

  #wait(watcher: Swept): void {
    watcher.awaitSweep();
    this.#waiting.add(watcher);
  }

  #isWorthIt(due: number): boolean {
    if (this.#pageSize === 0 || this.#watched.size < MIN_WATCHED) return false;
    if (this.#state.kind === "resting" && performance.now() < this.#state.untilMs) return false;
    this.#spent += due;
    return this.#spent >= (this.#lastCost ?? cost(this.#watched.size, 0)); // SWEEP-1
  }

  async #sweep(): Promise<void> {
    this.#state = { kind: "sweeping" };
    this.#spent = 0;
    const active = [...this.#watched.values()].filter((each) => each.activeSinceMs !== undefined);
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
    this.#state =
      outcome === "not worth it"
        ? { kind: "resting", untilMs: performance.now() + REST_MS }
        : { kind: "ready" };
    if (this.#closed) return;
    const waiting = [...this.#waiting].filter((each) => this.#watched.get(each.id) === each);
    this.#waiting.clear();
    const alone = new Set<Swept>(waiting.filter((each) => !listed.has(each)));
    if (outcome === "whole") {
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
    // Listed on an early page, and due again before the last one.
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
        this.#waiting.delete(watcher);
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
