import { BackOff } from "./back-off.ts";
import { type Refreshed, readPages } from "./page-pass.ts";
import type { Found, Poller } from "./poller.ts";
import type { ReadBudget } from "./read-budget.ts";

/** An operation that is watched, as pages refresh it. */
export interface Watched {
  readonly id: string;
  /** When it was created, in epoch milliseconds; `undefined` unless it is known to live. */
  readonly livingSinceMs: number | undefined;
  /** Takes what a page has found. */
  refresh(found: Found): Refreshed;
  /** Reads it alone. */
  readNow(): void;
}

export interface PageReadsOptions {
  /** Instances per page; 0 for no pages at all. */
  readonly pageSize: number;
  /** Time between the beginnings of two passes, in milliseconds. */
  readonly everyMs: number;
}

/** So many reads must be wanted since the last pass, and at least half as many be watched. */
const WORTH_WANTED = 40;
/** So many reads must have come due since for each page that a pass may take. */
const WORTH_DUE = 2;
/** A pass that leaves the oldest aside, since too much lies between, leaves out this share of all. */
const LEFT_OUT = 0.5;
/** The time without pages after a pass that was not worth it; half as long again after each. */
const REST_MIN_MS = 30_000;
const REST_MAX_MS = 3_600_000;

/**
 * Reads many operations by one query, where that costs fewer reads than one by one. The protocol can
 * only ask for what was created since some time and lives; whatever of that is watched is refreshed.
 *   G1. A pass begins with a read that is due, once the watchers together have wanted 40 reads since
 *       the last one, two a page have come due and 20 are watched; not sooner than `everyMs` after it,
 *       and one at a time.
 *   G2. A pass goes on page by page while each refreshes ten. One that began with less, was heavier
 *       than 2 MiB a page, or knew less than reads before it, is the last for 30 s, then 45, … up to an
 *       hour; the next one leaves the older half of the watched aside, or no longer does. One that
 *       failed is the last for 30 s.
 *   G3. Who waits for a pass is read alone if it was not refreshed, and so is, once, who lived and was
 *       not in a whole pass: it may have ended.
 *   G4. One of the watched is read alone at each pass, in turn: queries that lag behind are found out.
 */
export class PageReads {
  readonly #poller: Poller;
  readonly #budget: ReadBudget;
  readonly #watched: ReadonlyMap<string, Watched>;
  readonly #options: PageReadsOptions;
  readonly #rest = new BackOff({ minMs: REST_MIN_MS, maxMs: REST_MAX_MS });
  readonly #waiting = new Set<Watched>();
  /** Who lived and was not listed: left to single reads until a page brings it. */
  readonly #unlisted = new WeakSet<Watched>();
  #leftOut = 0;
  /** What was created before is not in the passes at present. */
  #leftOutBeforeMs = 0;
  #due = 0;
  #turn = 0;
  #beganAtMs = Number.NEGATIVE_INFINITY;
  #noneUntilMs = Number.NEGATIVE_INFINITY;
  /** Of the pass that is under way: what was created before is not in it. */
  #fromMs: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

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
    if (livingSinceMs === undefined || this.#unlisted.has(due)) return false;
    if (livingSinceMs < (this.#fromMs ?? this.#leftOutBeforeMs)) return false;
    this.#due += 1;
    if (this.#fromMs === undefined) {
      if (!this.#isWorthIt()) return false;
      this.#timer ??= setTimeout(
        () => void this.#pass(),
        Math.max(0, this.#beganAtMs + this.#options.everyMs - performance.now()),
      );
    }
    this.#waiting.add(due);
    return true;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#waiting.clear();
  }

  /** Whether by the time of the next pass as much will be wanted as it takes. */
  #isWorthIt(): boolean {
    const { pageSize, everyMs } = this.#options;
    const nowMs = performance.now();
    const { size } = this.#watched;
    if (pageSize === 0 || nowMs < this.#noneUntilMs || size < WORTH_WANTED / 2) return false;
    if (this.#due < WORTH_DUE * Math.ceil(size / pageSize)) return false;
    const sinceMs = Math.max(nowMs - this.#beganAtMs, everyMs);
    return (this.#budget.wantedPerSecond * sinceMs) / 1000 >= WORTH_WANTED;
  }

  async #pass(): Promise<void> {
    this.#timer = undefined;
    this.#due = 0;
    this.#beganAtMs = performance.now();
    const living = [...this.#watched.values()].filter((each) => each.livingSinceMs !== undefined);
    const created = Float64Array.from(living, (each) => each.livingSinceMs ?? 0).sort();
    const createdFromMs = created[Math.floor(created.length * this.#leftOut)] ?? 0;
    const isIn = (each: Watched) => (each.livingSinceMs ?? -1) >= createdFromMs;
    this.#leftOutBeforeMs = this.#leftOut > 0 ? createdFromMs : 0;
    this.#readAlone([...this.#waiting].filter((each) => !isIn(each)));
    if (living.length === 0) return;
    this.#fromMs = createdFromMs;
    const listed = new Set<Watched>();
    const isWhole = await this.#readPages(createdFromMs, listed);
    this.#fromMs = undefined;
    if (this.#closed) return;
    // What lived, and is not among what lives, has ended.
    const missed = living.filter((each) => isWhole && isIn(each) && !listed.has(each));
    this.#readAlone(missed.filter((each) => !this.#unlisted.has(each)));
    for (const each of missed) this.#unlisted.add(each);
    this.#readAlone([...this.#waiting].filter((each) => !listed.has(each)));
    // Who was on an early page, and came due again before the last, waits for the next pass.
    const again = [...this.#waiting];
    this.#waiting.clear();
    this.#readAlone(again.filter((each) => !this.take(each)));
    this.#turn = (this.#turn + 1) % living.length;
    this.#readAlone(living.slice(this.#turn, this.#turn + 1)); // G4
  }

  #readAlone(some: readonly Watched[]): void {
    for (const each of some) {
      this.#waiting.delete(each);
      if (this.#watched.get(each.id) === each) each.readNow();
    }
  }

  /** @returns whether all was read that lives and was created since */
  async #readPages(createdFromMs: number, listed: Set<Watched>): Promise<boolean> {
    const { pageSize } = this.#options;
    const onFound = (found: Found): Refreshed | undefined => {
      const watched = this.#watched.get(found.instance.id);
      const outcome = watched?.refresh(found);
      if (watched) {
        if (outcome === "refreshed") this.#waiting.delete(watched);
        this.#unlisted.delete(watched);
        listed.add(watched);
      }
      return outcome;
    };
    try {
      const query = { createdFromMs, pageSize };
      const passed = await readPages(this.#poller, query, onFound, () => this.#closed);
      if (passed.isWorthIt) this.#goOn();
      else this.#takeRest();
      return passed.isWhole;
    } catch {
      // The single reads that follow will find out, and report, what is the matter.
      this.#noneUntilMs = performance.now() + REST_MIN_MS;
      this.#budget.withoutPages = true;
      return false;
    }
  }

  #goOn(): void {
    this.#rest.reset();
    this.#budget.withoutPages = false;
  }

  #takeRest(): void {
    this.#noneUntilMs = performance.now() + this.#rest.intervalMs;
    this.#rest.grow();
    this.#leftOut = this.#leftOut === 0 ? LEFT_OUT : 0;
    this.#budget.withoutPages = true;
  }
}
