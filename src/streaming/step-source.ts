import type { HistoryEntry } from "../dts/history.ts";
import { SchedulerError } from "../dts/scheduler-error.ts";
import { jittered } from "./jitter.ts";
import type { Metrics } from "./metrics.ts";
import { pause } from "./pause.ts";
import type { ReadBudget } from "./read-budget.ts";
import { StepTeller } from "./step.ts";
import type { StepFollower } from "./step-follower.ts";

/** What reading steps needs of the scheduler. */
export interface HistoryReader {
  /** The history from its first entry, in chunks. Leaving the loop, or aborting, ends the read. */
  readHistory(id: string, signal?: AbortSignal): AsyncIterable<readonly HistoryEntry[]>;
}

/** How long a pass waits for those it serves to take more; then it ends, and another one follows. */
const PATIENCE_MS = 5000;
/** How much of its time a pass may spend in waiting while somebody else waits for it to end. */
const COURTESY_MS = 250;
/** A pass that serves the present may take this share of the time, so that long histories cost no more. */
const DUTY = 0.25;
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 5000;
/** So long, and so often in a row, must a history be shorter than what was sent of it to be another one. */
const SHORT_MS = 1500;
const SHORT_PASSES = 3;
/** After so many reads in a row that failed, those who wait for steps are told. */
const FAILURES_TOLD = 3;

/**
 * Reads the history of one operation for all who follow its steps. The protocol has no offset: each
 * pass reads it from its first entry, so passes are few.
 *   T1. At most two passes are under way: one for those who have all so far, begun when the status
 *       cursor has moved; one for those who are behind. Neither grows with followers.
 *   T2. The first one waits for nobody: who is not ready is behind from then on.
 *   T3. The second one goes at the pace of the quickest it serves, and the transport's window bounds
 *       what is read ahead; no step is queued. It ends where it would keep another one waiting that
 *       has come meanwhile.
 *   T4. After `close` nothing is read and no timer is left.
 */
export class StepSource {
  readonly #id: string;
  readonly #histories: HistoryReader;
  readonly #budget: ReadBudget;
  readonly #metrics: Metrics;
  readonly #present = new Set<StepFollower>();
  readonly #behind = new Set<StepFollower>();
  /** Whose last passes found less than was sent: since when, and how many. */
  readonly #short = new WeakMap<StepFollower, { readonly sinceMs: number; passes: number }>();
  readonly #closed = new AbortController();
  #moves = 0;
  /** Whether those who have all so far may lack what came with the last move. */
  #stale = false;
  #following = false;
  #catchingUp = false;
  #failures = 0;
  #nudged = Promise.withResolvers<void>();
  #changed = Promise.withResolvers<void>();
  #hurried = Promise.withResolvers<void>();

  constructor(id: string, histories: HistoryReader, budget: ReadBudget, metrics: Metrics) {
    this.#id = id;
    this.#histories = histories;
    this.#budget = budget;
    this.#metrics = metrics;
  }

  get size(): number {
    return this.#present.size + this.#behind.size;
  }

  add(follower: StepFollower): void {
    this.#behind.add(follower);
    this.#noteChange();
    this.nudge();
    void this.#catchUp();
  }

  remove(follower: StepFollower): void {
    follower.leave();
    this.#drop(follower);
    this.nudge();
  }

  /** The operation's cursor has moved, so that its history may have grown. */
  moved(): void {
    this.#moves += 1;
    this.#stale = true;
    this.#noteChange();
    void this.#follow();
  }

  /** A follower waits for a read that begins from now on, and for nothing after it. */
  hurry(): void {
    this.#hurried.resolve();
    this.moved();
  }

  /** A follower may have become ready. */
  nudge(): void {
    this.#nudged.resolve();
    this.#nudged = Promise.withResolvers();
  }

  close(): void {
    this.#closed.abort();
    this.#present.clear();
    this.#behind.clear();
    this.nudge();
  }

  #noteChange(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Tells those who have all so far what is new. */
  async #follow(): Promise<void> {
    if (this.#following) return;
    this.#following = true;
    let retryMs = RETRY_MIN_MS;
    while (this.#stale && this.#present.size > 0) {
      const beganMs = performance.now();
      this.#hurried = Promise.withResolvers();
      const succeeded = await this.#pass(this.#present, false);
      if (!succeeded) this.#stale = true;
      const restMs = succeeded ? (performance.now() - beganMs) * (1 / DUTY - 1) : jittered(retryMs);
      retryMs = succeeded ? RETRY_MIN_MS : Math.min(retryMs * 2, RETRY_MAX_MS);
      const rest = pause(restMs, this.#closed.signal);
      await (succeeded ? Promise.race([rest, this.#hurried.promise]) : rest);
    }
    this.#following = false;
  }

  /** Brings those who are behind to the present. */
  async #catchUp(): Promise<void> {
    if (this.#catchingUp) return;
    this.#catchingUp = true;
    let retryMs = RETRY_MIN_MS;
    while (this.#behind.size > 0) {
      if (!some(this.#behind, ({ ready }) => ready)) {
        await this.#nudged.promise;
        continue;
      }
      const before = [...this.#behind].map((each) => ({ each, position: each.position }));
      const changed = this.#changed.promise;
      const succeeded = await this.#pass(this.#behind, true);
      const helped =
        succeeded &&
        before.some(({ each, position }) => !this.#behind.has(each) || each.position !== position);
      if (!helped) {
        const rest = pause(jittered(retryMs), this.#closed.signal);
        // Where reading is possible, whoever comes is served at once, and so is what has moved.
        await (succeeded ? Promise.race([rest, changed]) : rest);
      }
      retryMs = helped ? RETRY_MIN_MS : Math.min(retryMs * 2, RETRY_MAX_MS);
    }
    this.#catchingUp = false;
  }

  /** @returns false where the history could not be read to its end */
  async #pass(group: Set<StepFollower>, patient: boolean): Promise<boolean> {
    await this.#budget.permit();
    // The pace of its followers must not keep a place that other reads need.
    this.#budget.done();
    const served = new Set(group);
    const moves = this.#moves;
    let waitedMs = 0;
    if (!patient) this.#stale = false;
    const beganAtMs = performance.now();
    const teller = new StepTeller();
    const { signal } = this.#closed;
    if (served.size === 0 || signal.aborted) return true;
    for (const follower of served) follower.beginPass();
    try {
      for await (const chunk of this.#histories.readHistory(this.#id, signal)) {
        for (const entry of chunk) {
          for (const step of teller.tell(entry)) {
            if (patient) waitedMs += await this.#untilOneCanTake(served, waitedMs);
            for (const follower of served) if (this.#has(follower)) follower.take(step);
          }
        }
        if (!some(served, (each) => this.#has(each) && !each.lost)) break;
      }
    } catch (error) {
      if (!signal.aborted) this.#failed(served, error);
      return false;
    }
    this.#failures = 0;
    this.#metrics.reads.inc({ rpc: "StreamInstanceHistory", result: "found" });
    if (this.#present.size === 0) this.#stale = false;
    for (const follower of served) {
      if (this.#has(follower)) this.#sort(follower, teller, beganAtMs);
    }
    if (this.#moves !== moves) this.#stale = true;
    void this.#follow();
    void this.#catchUp();
    return true;
  }

  #failed(served: Set<StepFollower>, error: unknown): void {
    this.#metrics.reads.inc({ rpc: "StreamInstanceHistory", result: "failed" });
    this.#failures += 1;
    const isNotKept = error instanceof SchedulerError && error.kind === "unsupported";
    if (!isNotKept && this.#failures < FAILURES_TOLD) return;
    for (const follower of served) {
      if (!this.#has(follower)) continue;
      if (isNotKept) this.#drop(follower);
      follower.trouble(isNotKept ? "not-kept" : "unavailable");
    }
  }

  /** Puts a follower where the pass has brought it. */
  #sort(follower: StepFollower, teller: StepTeller, beganAtMs: number): void {
    const { position: end, isOver } = teller;
    const staysShort = this.#staysShort(follower, end?.seq ?? 0);
    // Told of a reset, or that it is present, it may leave: where it belongs is settled before.
    this.#present.delete(follower);
    this.#behind.add(follower);
    if (staysShort && end) follower.startOver();
    if (!this.#behind.delete(follower)) return;
    this.#present.add(follower);
    if (staysShort && !end) follower.endWithoutHistory(beganAtMs);
    else if (!follower.endPass(end, beganAtMs, isOver) && this.#present.delete(follower)) {
      this.#behind.add(follower);
    }
  }

  #staysShort(follower: StepFollower, endSeq: number): boolean {
    if (follower.lost || (follower.position?.seq ?? 0) <= endSeq) {
      this.#short.delete(follower);
      return false;
    }
    const nowMs = performance.now();
    const short = this.#short.get(follower) ?? { sinceMs: nowMs, passes: 0 };
    short.passes += 1;
    this.#short.set(follower, short);
    return short.passes >= SHORT_PASSES && nowMs - short.sinceMs >= SHORT_MS;
  }

  /**
   * Waits while all who could take the next step are not ready: up to 5 s, and not while another one
   * could be served by a pass of its own.
   * @param formerMs how long the pass has waited before
   * @returns how long it has waited now
   */
  async #untilOneCanTake(served: ReadonlySet<StepFollower>, formerMs: number): Promise<number> {
    if (!this.#allKeepWaiting(served)) return 0;
    const beganMs = performance.now();
    const waitedMs = () => performance.now() - beganMs;
    const isWanted = () => some(this.#behind, (each) => !served.has(each) && each.ready);
    const wake = () => this.nudge();
    const courtesy = setTimeout(wake, Math.max(0, COURTESY_MS - formerMs) + 1);
    const patience = setTimeout(wake, PATIENCE_MS + 1);
    while (this.#allKeepWaiting(served) && waitedMs() < PATIENCE_MS) {
      if (formerMs + waitedMs() >= COURTESY_MS && isWanted()) break;
      await this.#nudged.promise;
    }
    clearTimeout(courtesy);
    clearTimeout(patience);
    return waitedMs();
  }

  /** Whether there is one to take the next step, but none that is ready for it. */
  #allKeepWaiting(served: ReadonlySet<StepFollower>): boolean {
    let takers = 0;
    for (const each of served) {
      if (!each.takesNext || !this.#has(each)) continue;
      if (each.ready) return false;
      takers += 1;
    }
    return takers > 0;
  }

  #drop(follower: StepFollower): void {
    this.#behind.delete(follower);
    this.#present.delete(follower);
  }

  #has(follower: StepFollower): boolean {
    return this.#present.has(follower) || this.#behind.has(follower);
  }
}

function some<T>(items: Iterable<T>, test: (item: T) => boolean): boolean {
  for (const item of items) if (test(item)) return true;
  return false;
}
