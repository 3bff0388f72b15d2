import type { RuntimeStatus } from "../dts/instance.ts";
import { BackOff } from "./back-off.ts";
import type { Found, Poller } from "./poller.ts";
import type { ReadBudget } from "./read-budget.ts";

/** An operation that is watched, as pages refresh it. */
export interface Watched {
  readonly id: string;
  /** When it was created, in epoch milliseconds; `undefined` unless it is known to live. */
  readonly livingSinceMs: number | undefined;
  /** Takes what a page has found. @returns false where a read before the page had found more */
  refresh(found: Found): boolean;
  /** Reads it alone. */
  readNow(): void;
}

export interface PageReadsOptions {
  /** Instances per page; 0 for no pages at all. */
  readonly pageSize: number;
  /** Time between the beginnings of two passes, in milliseconds. */
  readonly everyMs: number;
}

/** What lives: pages carry no results, which may be large, and an end is read alone. */
const LIVE: readonly RuntimeStatus[] = ["PENDING", "RUNNING", "SUSPENDED", "CONTINUED_AS_NEW"];
/** So many reads must be wanted since the last pass, and at least half as many be watched. */
const WORTH_WANTED = 40;
/** So many of its instances must be watched for a page to have been worth it. */
const WORTH_FOUND = 10;
/** Characters past which a page is too heavy: it brings the inputs of all, however few have changed. */
const WORTH_LENGTH = 2 * 1024 * 1024;
/** Those who wait for a pass are read alone after so long. */
const WITHIN_MS = 3000;
/** A pass that leaves the oldest aside, since too much lies between, leaves out this share of all. */
const LEFT_OUT = 0.5;
/** The time without pages after one that was not worth it; half as long again after each. */
const REST_MIN_MS = 30_000;
const REST_MAX_MS = 3_600_000;

/**
 * Reads many operations by one query, where that costs fewer reads than one by one. The protocol can
 * only ask for what was created since some time and lives; whatever of that is watched is refreshed.
 *   G1. A pass begins with a read that is due, once the watchers together have wanted 40 reads since
 *       the last one and 20 are watched; not sooner than `everyMs` after it, and one at a time.
 *   G2. A pass goes on page by page while each refreshes ten. One that began with less, was heavier
 *       than 2 MiB a page, or knew less than reads before it, is the last for 30 s, then 45, … up to an
 *       hour; the next one leaves the older half of the watched aside, or no longer does. One that
 *       failed is the last for 30 s.
 *   G3. Who waits for a pass, and who should have been in it, is read alone if it was not; a pass
 *       takes no longer than 3 s.
 */
export class PageReads {
  readonly #poller: Poller;
  readonly #budget: ReadBudget;
  readonly #watched: ReadonlyMap<string, Watched>;
  readonly #options: PageReadsOptions;
  readonly #rest = new BackOff({ minMs: REST_MIN_MS, maxMs: REST_MAX_MS });
  readonly #waiting = new Set<Watched>();
  #leftOut = 0;
  #beganAtMs = 0;
  #noneUntilMs = 0;
  /** Of the pass that is under way: what was created before is not in it. */
  #fromMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    poller: Poller,
    budget: ReadBudget,
    watched: ReadonlyMap<string, Watched>,
    options: PageReadsOptions,
  ) {
    this.#poller = poller;
    this.#budget = budget;
    this.#watched = watched;
    this.#options = options;
  }

  /** @returns whether a pass will refresh an operation whose read is due; otherwise it is read alone */
  take(due: Watched): boolean {
    const { livingSinceMs } = due;
    if (livingSinceMs === undefined) return false;
    if (this.#fromMs === undefined) {
      if (!this.#isWorthIt()) return false;
      this.#timer ??= setTimeout(
        () => void this.#pass(),
        Math.max(0, this.#beganAtMs + this.#options.everyMs - Date.now()),
      );
    } else if (livingSinceMs < this.#fromMs) return false;
    this.#waiting.add(due);
    return true;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#waiting.clear();
  }

  /** Whether by the time of the next pass as much will be wanted as it takes. */
  #isWorthIt(): boolean {
    const nowMs = Date.now();
    if (this.#options.pageSize === 0 || nowMs < this.#noneUntilMs) return false;
    if (this.#watched.size < WORTH_WANTED / 2) return false;
    const sinceMs = Math.max(nowMs - this.#beganAtMs, this.#options.everyMs);
    return (this.#budget.wantedPerSecond * sinceMs) / 1000 >= WORTH_WANTED;
  }

  async #pass(): Promise<void> {
    this.#timer = undefined;
    this.#beganAtMs = Date.now();
    const living = [...this.#watched.values()].filter((each) => each.livingSinceMs !== undefined);
    const created = Float64Array.from(living, (each) => each.livingSinceMs ?? 0).sort();
    const createdFromMs = created[Math.floor(created.length * this.#leftOut)];
    if (createdFromMs === undefined) {
      this.#waiting.clear(); // Nobody is left for whom there is anything to wait.
      return;
    }
    this.#fromMs = createdFromMs;
    const missed = new Set<Watched>();
    try {
      const { isWorthIt, isWhole, refreshed } = await this.#readPages(createdFromMs);
      if (isWorthIt) this.#rest.reset();
      else this.#takeRest();
      for (const each of isWhole ? living : []) {
        // What lived, and is not among what lives, has ended.
        if ((each.livingSinceMs ?? 0) >= createdFromMs && !refreshed.has(each)) missed.add(each);
      }
    } catch {
      // The single reads that follow will find out, and report, what is the matter.
      this.#noneUntilMs = Date.now() + REST_MIN_MS;
    }
    this.#fromMs = undefined;
    for (const each of this.#waiting) missed.add(each);
    this.#waiting.clear();
    for (const each of missed) if (this.#watched.get(each.id) === each) each.readNow();
  }

  #takeRest(): void {
    this.#noneUntilMs = Date.now() + this.#rest.intervalMs;
    this.#rest.grow();
    this.#leftOut = this.#leftOut === 0 ? LEFT_OUT : 0;
  }

  /** Refreshes what the pages hold. @returns whether it was of use, and whether it was all there is */
  async #readPages(createdFromMs: number) {
    const refreshed = new Set<Watched>();
    const signal = AbortSignal.timeout(WITHIN_MS);
    const query = { createdFromMs, statuses: LIVE, pageSize: this.#options.pageSize };
    let isWorthIt = false;
    let pageToken: string | undefined;
    do {
      const page = await this.#poller.query({ ...query, pageToken }, signal);
      const { startedAtMs, horizonMs } = page;
      let found = 0;
      for (const instance of page.instances) {
        const watched = this.#watched.get(instance.id);
        if (!watched) continue;
        if (!watched.refresh({ kind: "found", instance, startedAtMs, horizonMs })) {
          return { isWorthIt: false, isWhole: false, refreshed };
        }
        this.#waiting.delete(watched);
        refreshed.add(watched);
        found += 1;
      }
      pageToken = page.nextPageToken;
      isWorthIt ||= found >= WORTH_FOUND;
      if (page.payloadLength > WORTH_LENGTH) {
        isWorthIt = false;
        break;
      }
      if (page.instances.length > 0 && found < WORTH_FOUND) break;
    } while (pageToken);
    return { isWorthIt, isWhole: pageToken === undefined, refreshed };
  }
}
