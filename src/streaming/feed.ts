import { type Problem, ProblemError, SchedulerUnavailableError } from "../errors.ts";
import { BackOff, type BackOffOptions, jittered } from "./back-off.ts";
import { type FeedEntry, FeedLog } from "./feed-log.ts";
import { type Swept, sweepAll, sweepChanges } from "./feed-sweep.ts";
import type { Freshness } from "./freshness.ts";
import type { Poller } from "./poller.ts";
import type { Claim, ReadBudget } from "./read-budget.ts";
import { formatWatermark, scopeOf } from "./watermark.ts";

/** Most operations that a feed carries. */
const CAPACITY = 1000;
/** Characters of documents that a feed carries at most: large results leave room for fewer. */
const MAX_LENGTH = 32 * 1024 * 1024;
/** How long a feed is read on after its last subscriber left. */
const LINGER_MS = 5000;
/** Queries of one pass over the task hub, as the budget counts them. */
const QUERIES_PER_SWEEP = 2;

/** Who follows a feed. Called synchronously; must not throw. */
export interface FeedSubscriber {
  /**
   * Whether it may have seen, at another replica, more than is known here: then only a pass that
   * begins from now on is no step back for it (C2).
   */
  readonly needsNewSweep: boolean;
  /** The feed has its first content: the log can be read. Called once, before anything else. */
  onContent(): void;
  /** An operation is new or has changed. */
  onChange(entry: FeedEntry): void;
  /** Something to know; reading goes on. */
  onProblem(problem: Problem): void;
}

/**
 * All operations of the task hub, or those with an id prefix, read for all who follow them.
 *   F1. Queries do not grow with subscribers; nobody follows = nothing is read.
 *   F2. A failed pass backs off and costs no subscriber its place; each is told once.
 *   F3. After `close` no timer is left, and no read is begun.
 */
export class Feed {
  readonly prefix: string;
  /** What its watermarks are valid for. */
  readonly scope: string;
  readonly log = new FeedLog(CAPACITY, MAX_LENGTH);
  readonly #poller: Poller;
  readonly #budget: ReadBudget;
  readonly #onIdle: () => void;
  readonly #subscribers = new Set<FeedSubscriber>();
  /** Those who wait for the end of a later pass, by its number. */
  readonly #awaiting = new Map<FeedSubscriber, number>();
  /** The number of the last pass that was begun, and when. */
  #sweeps = 0;
  #sweptFromMs = 0;
  #sweeping = false;
  readonly #backOff: BackOff;
  readonly #claim: Claim;
  #asOfMs: number | undefined;
  #safeThroughMs = 0;
  #watermark:
    | { readonly seq: number; readonly throughMs: number; readonly text: string }
    | undefined;
  #problem: Problem | undefined;
  #truncated = false;
  #dueAtMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #lingerTimer: NodeJS.Timeout | undefined;
  #closed = false;

  /** @param onIdle called once, when nobody has followed for 5 s; the feed is then closed */
  constructor(
    prefix: string,
    poller: Poller,
    budget: ReadBudget,
    options: BackOffOptions,
    onIdle: () => void,
  ) {
    this.prefix = prefix;
    this.scope = scopeOf("prefix", [prefix]);
    this.#poller = poller;
    this.#budget = budget;
    this.#onIdle = onIdle;
    this.#backOff = new BackOff(options);
    this.#claim = budget.claim(options.minMs / QUERIES_PER_SWEEP);
    void this.#sweep();
  }

  get freshness(): Freshness {
    return { asOfMs: this.#asOfMs, nextReadMs: Math.max(0, this.#dueAtMs - Date.now()) };
  }

  /** Every change that the scheduler dated before this, in epoch milliseconds, is in the log. */
  get safeThroughMs(): number {
    return this.#safeThroughMs;
  }

  /** The watermark of a subscriber who has been sent all that is in the log. */
  watermark(): string {
    const { seq } = this.log;
    if (this.#watermark?.seq !== seq || this.#watermark.throughMs !== this.#safeThroughMs) {
      const sent = [...this.log.entries()].map(({ operation: { id, cursor } }) => ({
        id,
        ...cursor,
      }));
      const text = formatWatermark(this.scope, this.#safeThroughMs, sent);
      this.#watermark = { seq, throughMs: this.#safeThroughMs, text };
    }
    return this.#watermark.text;
  }

  add(subscriber: FeedSubscriber): void {
    clearTimeout(this.#lingerTimer);
    this.#subscribers.add(subscriber);
    if (subscriber.needsNewSweep) {
      const begunBefore = !this.#sweeping || this.#sweptFromMs < performance.now();
      this.#awaiting.set(subscriber, this.#sweeps + (begunBefore ? 1 : 0));
      if (!this.#sweeping && !this.#problem) void this.#sweep();
    }
    queueMicrotask(() => this.#welcome(subscriber));
  }

  remove(subscriber: FeedSubscriber): void {
    this.#subscribers.delete(subscriber);
    this.#awaiting.delete(subscriber);
    if (this.#subscribers.size > 0 || this.#closed) return;
    clearTimeout(this.#lingerTimer);
    this.#lingerTimer = setTimeout(() => {
      this.close();
      this.#onIdle();
    }, LINGER_MS);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    clearTimeout(this.#lingerTimer);
    this.#claim.release();
  }

  #welcome(subscriber: FeedSubscriber): void {
    if (!this.#subscribers.has(subscriber)) return;
    // A subscriber that came before the content it needs is told when it is there.
    if (this.#asOfMs !== undefined && !this.#awaiting.has(subscriber)) this.#begin(subscriber);
    if (this.#problem) subscriber.onProblem(this.#problem);
  }

  #begin(subscriber: FeedSubscriber): void {
    subscriber.onContent();
    if (this.#truncated) subscriber.onProblem(truncation());
  }

  async #sweep(): Promise<void> {
    clearTimeout(this.#timer);
    this.#sweeps += 1;
    this.#sweptFromMs = performance.now();
    this.#sweeping = true;
    // What the scheduler dates before this has happened before the pass, which thus finds it.
    const horizonMs = this.#poller.horizonMs;
    const isFirst = this.#asOfMs === undefined;
    const sweep = { poller: this.#poller, prefix: this.prefix, log: this.log };
    try {
      const swept = isFirst ? await sweepAll(sweep, CAPACITY) : await sweepChanges(sweep);
      if (!this.#closed) this.#settle(swept, isFirst, horizonMs);
    } catch (error) {
      if (!this.#closed) this.#fail(error);
    }
  }

  #settle({ changes, truncated }: Swept, isFirst: boolean, horizonMs: number): void {
    this.#sweeping = false;
    this.#problem = undefined;
    this.#asOfMs = Date.now();
    this.#safeThroughMs = horizonMs;
    if (changes.length > 0) this.#backOff.reset();
    else this.#backOff.grow();
    this.#schedule();
    const truncatedNow = truncated && !this.#truncated;
    this.#truncated ||= truncated;
    for (const subscriber of [...this.#subscribers]) {
      const awaited = this.#awaiting.get(subscriber);
      if (awaited !== undefined && awaited > this.#sweeps) continue;
      this.#awaiting.delete(subscriber);
      if (isFirst || awaited !== undefined) this.#begin(subscriber);
      else {
        for (const entry of changes) subscriber.onChange(entry);
        if (truncatedNow) subscriber.onProblem(truncation());
      }
    }
    if (this.#awaiting.size > 0) void this.#sweep();
  }

  #fail(cause: unknown): void {
    this.#sweeping = false;
    this.#backOff.grow();
    this.#schedule();
    const known = this.#problem;
    this.#problem ??= new SchedulerUnavailableError(cause).toProblem();
    if (known) return;
    for (const subscriber of [...this.#subscribers]) subscriber.onProblem(this.#problem);
  }

  #schedule(): void {
    this.#claim.update(this.#backOff.intervalMs / QUERIES_PER_SWEEP);
    const delayMs = jittered(this.#backOff.intervalMs * this.#budget.stretch);
    this.#dueAtMs = Date.now() + delayMs;
    this.#timer = setTimeout(() => void this.#sweep(), delayMs);
  }
}

function truncation(): Problem {
  const detail = `The task hub holds more operations than the newest, up to ${CAPACITY}, which this feed carries. Narrow it with ?prefix=.`;
  return new ProblemError("feed-truncated", 200, detail).toProblem();
}
