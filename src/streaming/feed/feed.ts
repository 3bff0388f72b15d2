import { type Problem, ProblemError } from "../../problems.ts";
import type { Operation } from "../operation/operation.ts";
import type { OperationFilter } from "../operation/operation-filter.ts";
import { formatWatermark, scopeOf } from "../operation/watermark.ts";
import { type FeedEntry, FeedLog } from "./feed-log.ts";

/** Most operations that a feed carries. */
export const CAPACITY = 1000;
/** Characters of documents that a feed carries at most: large results leave room for fewer. */
const MAX_LENGTH = 32 * 1024 * 1024;
/** How long a feed is read after its last subscriber left. */
const LINGER_MS = 5000;

/** A client of a feed. Called synchronously; must not throw. */
export interface FeedSubscriber {
  /**
   * Whether it may have seen, at another replica, more than is known here: then only a check that
   * begins from now on is no step back for it (C2).
   */
  readonly needsNewSweep: boolean;
  /** The feed has its first content: the log can be read. Calls after the first do nothing. */
  onContent(): void;
  /** All operations that the feed began with are in the log. */
  onLoaded(): void;
  /** An operation is new or has changed. */
  onChange(entry: FeedEntry): void;
  /** Something to know; reading goes on. */
  onProblem(problem: Problem): void;
}

/** What a feed knows of the reading done for it. */
export interface FeedReading {
  /** No change older than this, in epoch milliseconds, is missing from the log. */
  readonly asOfMs: number | undefined;
  /** Every change that the scheduler dated before this, in epoch milliseconds, is in the log. */
  readonly safeThroughMs: number;
}

/** What a feed asks of its reader. */
export interface FeedOwner {
  reading(feed: Feed): FeedReading;
  /** Whether a watermark's date can be compared with the scheduler's present dates (HORIZON-1). */
  isValidThrough(throughMs: number): boolean;
  /** Compares the whole log with the scheduler, soon. */
  requestCheck(feed: Feed): void;
  /** Nobody has followed the feed for 5 s. */
  onIdle(feed: Feed): void;
}

/** How far a feed is. */
export type FeedState =
  | { readonly kind: "new" }
  /** Its operations are listed and are being read. */
  | { readonly kind: "loading" }
  /** The log is complete. Times by `performance.now()`. */
  | { readonly kind: "loaded" };

/** All operations of the task hub, or those with an id prefix, for all clients that follow them. */
export class Feed {
  readonly prefix: string;
  readonly log = new FeedLog(CAPACITY, MAX_LENGTH);
  readonly #owner: FeedOwner;
  readonly #subscribers = new Set<FeedSubscriber>();
  /** Those that wait for a check that began after they came, at this time. */
  readonly #awaiting = new Map<FeedSubscriber, number>();
  #state: FeedState = { kind: "new" };
  /** By scope, as of a change and a time. */
  #watermarks = { seq: -1, throughMs: -1, texts: new Map<string, string>() };
  #problem: Problem | undefined;
  #truncated = false;
  #lingerTimer: NodeJS.Timeout | undefined;

  constructor(prefix: string, owner: FeedOwner) {
    this.prefix = prefix;
    this.#owner = owner;
  }

  /** Whether all operations that it began with are in the log. */
  get isLoaded(): boolean {
    return this.#state.kind === "loaded";
  }

  get state(): FeedState {
    return this.#state;
  }

  /** Whether there are operations that it does not carry. */
  get truncated(): boolean {
    return this.#truncated || this.log.dropped;
  }

  /** When the reads behind its content were sent, in epoch milliseconds; `undefined` until loaded. */
  get asOfMs(): number | undefined {
    return this.isLoaded ? this.#owner.reading(this).asOfMs : undefined;
  }

  isValidThrough(throughMs: number): boolean {
    return this.#owner.isValidThrough(throughMs);
  }

  /** Every change that the scheduler dated before this, in epoch milliseconds, is in the log. */
  get safeThroughMs(): number {
    return this.isLoaded ? this.#owner.reading(this).safeThroughMs : 0;
  }

  /** What watermarks are valid for: of this feed with one filter. */
  scope({ key }: OperationFilter): string {
    const { prefix } = this;
    return key === "" ? scopeOf("prefix", [prefix]) : scopeOf("filtered", [`${key} ${prefix}`]);
  }

  /** The watermark of a subscriber that has been sent, of all that is in the log, what is for it. */
  watermark(scope: string): string {
    const { seq } = this.log;
    const { safeThroughMs: throughMs } = this;
    if (this.#watermarks.seq !== seq || this.#watermarks.throughMs !== throughMs) {
      this.#watermarks = { seq, throughMs, texts: new Map() };
    }
    const { texts } = this.#watermarks;
    let text = texts.get(scope);
    if (text === undefined) {
      const entries = [...this.log.entries()];
      const sent = entries.map(({ operation: { id, cursor } }) => ({ id, ...cursor }));
      text = formatWatermark(scope, throughMs, sent);
      texts.set(scope, text);
    }
    return text;
  }

  add(subscriber: FeedSubscriber): void {
    clearTimeout(this.#lingerTimer);
    this.#subscribers.add(subscriber);
    if (subscriber.needsNewSweep && this.#state.kind !== "new") {
      this.#awaiting.set(subscriber, performance.now());
      this.#owner.requestCheck(this);
    }
    queueMicrotask(() => this.#welcome(subscriber));
  }

  remove(subscriber: FeedSubscriber): void {
    this.#subscribers.delete(subscriber);
    this.#awaiting.delete(subscriber);
    if (this.#subscribers.size > 0) return;
    clearTimeout(this.#lingerTimer);
    this.#lingerTimer = setTimeout(() => this.#owner.onIdle(this), LINGER_MS);
  }

  close(): void {
    clearTimeout(this.#lingerTimer);
  }

  /** Its operations are about to be listed and read. */
  loading(): void {
    this.#state = { kind: "loading" };
  }

  /** They could not be listed; it is to be tried again. */
  notLoaded(): void {
    this.#state = { kind: "new" };
  }

  /** All have been listed. @param truncated whether there are older ones that it does not carry */
  listed(truncated: boolean): void {
    this.#truncated = truncated;
  }

  /** All that was listed has been read. */
  loaded(): void {
    if (this.#state.kind !== "loading") return;
    this.#state = { kind: "loaded" };
    for (const each of [...this.#subscribers]) {
      if (this.#awaiting.has(each)) continue;
      this.#begin(each);
      each.onLoaded();
    }
  }

  /** The whole log was compared with reads sent from `sentAtMs` on, by `performance.now()`. */
  checked(sentAtMs: number): void {
    for (const [each, cameAtMs] of [...this.#awaiting]) {
      if (cameAtMs > sentAtMs) continue;
      this.#awaiting.delete(each);
      if (this.isLoaded) this.#begin(each);
    }
    if (this.#awaiting.size > 0) this.#owner.requestCheck(this);
  }

  put(operation: Operation): void {
    const wasTruncated = this.truncated;
    const entry = this.log.put(operation);
    for (const each of [...this.#subscribers]) {
      if (!this.#canBegin(each)) continue;
      if (!this.isLoaded) each.onContent();
      if (entry) each.onChange(entry);
      if (this.truncated && !wasTruncated) each.onProblem(truncation());
    }
  }

  /** Reading fails, until a call with `undefined`. */
  setProblem(problem: Problem | undefined): void {
    const wasKnown = this.#problem !== undefined;
    this.#problem = problem;
    if (!problem || wasKnown) return;
    for (const each of [...this.#subscribers]) each.onProblem(problem);
  }

  #welcome(subscriber: FeedSubscriber): void {
    if (!this.#subscribers.has(subscriber)) return;
    if (this.isLoaded && this.#canBegin(subscriber)) this.#begin(subscriber);
    if (this.#problem) subscriber.onProblem(this.#problem);
  }

  /** A client that resumes can only be compared with the whole log. */
  #canBegin(subscriber: FeedSubscriber): boolean {
    if (this.#awaiting.has(subscriber)) return false;
    return this.isLoaded || !subscriber.needsNewSweep;
  }

  #begin(subscriber: FeedSubscriber): void {
    subscriber.onContent();
    if (this.truncated) subscriber.onProblem(truncation());
  }
}

function truncation(): Problem {
  const detail =
    `The task hub holds more operations than the newest, up to ${CAPACITY}, which this feed carries. ` +
    "Narrow it with ?prefix=. A list (/api/operations) has all of them.";
  return new ProblemError("feed-truncated", 200, detail).toProblem();
}
