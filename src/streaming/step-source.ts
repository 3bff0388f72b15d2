import type { HistoryEntry } from "../dts/history.ts";
import { jittered } from "./back-off.ts";
import type { Metrics } from "./metrics.ts";
import { pause } from "./pause.ts";
import type { ReadBudget } from "./read-budget.ts";
import { StepTeller } from "./step.ts";
import type { StepFollower } from "./step-follower.ts";

/** What reading steps needs of the scheduler. */
export interface HistoryReader {
  /** The history from its first entry, in chunks. Leaving the loop ends the read. */
  readHistory(id: string): AsyncIterable<readonly HistoryEntry[]>;
}

/** How long a pass waits for those it serves to take more; then it ends, and another one follows. */
const PATIENCE_MS = 5000;
/** A pass that serves the present may take this share of the time, so that long histories cost no more. */
const DUTY = 0.25;
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 5000;
/** So often in a row must a history be shorter than what was sent of it to be another one. */
const SHORT_PASSES = 3;

/**
 * Reads the history of one operation for all who follow its steps. The protocol has no offset: each
 * pass reads it from its first entry, so passes are few.
 *   T1. At most two passes are under way: one for those who have all so far, begun when the status
 *       cursor has moved; one for those who are behind. Neither grows with followers.
 *   T2. The first one waits for nobody: who is not ready is behind from then on.
 *   T3. The second one goes at the pace of the quickest it serves, and the transport's window bounds
 *       what is read ahead; no step is queued.
 *   T4. After `close` nothing is read and no timer is left.
 */
export class StepSource {
  readonly #id: string;
  readonly #histories: HistoryReader;
  readonly #budget: ReadBudget;
  readonly #metrics: Metrics;
  readonly #present = new Set<StepFollower>();
  readonly #behind = new Set<StepFollower>();
  readonly #shortPasses = new WeakMap<StepFollower, number>();
  readonly #closed = new AbortController();
  #moves = 0;
  #stale = false;
  #following = false;
  #catchingUp = false;
  #nudged = Promise.withResolvers<void>();

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
    void this.#catchUp();
  }

  remove(follower: StepFollower): void {
    this.#behind.delete(follower);
    this.#present.delete(follower);
    this.nudge();
  }

  /** The operation's cursor has moved, so that its history may have grown. */
  moved(): void {
    this.#moves += 1;
    this.#stale = true;
    void this.#follow();
  }

  /** A follower may have become ready. */
  nudge(): void {
    this.#nudged.resolve();
    this.#nudged = Promise.withResolvers<void>();
  }

  close(): void {
    this.#closed.abort();
    this.#present.clear();
    this.#behind.clear();
    this.nudge();
  }

  /** Tells those who have all so far what is new. */
  async #follow(): Promise<void> {
    if (this.#following) return;
    this.#following = true;
    let retryMs = RETRY_MIN_MS;
    while (this.#stale && this.#present.size > 0) {
      this.#stale = false;
      const beganMs = performance.now();
      const succeeded = await this.#pass(this.#present, false);
      if (!succeeded) this.#stale = true;
      const restMs = succeeded ? (performance.now() - beganMs) * (1 / DUTY - 1) : jittered(retryMs);
      retryMs = succeeded ? RETRY_MIN_MS : Math.min(retryMs * 2, RETRY_MAX_MS);
      await pause(restMs, this.#closed.signal);
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
      const before = this.#behind.size;
      const succeeded = await this.#pass(this.#behind, true);
      const helped = succeeded && this.#behind.size < before;
      if (!helped) await pause(jittered(retryMs), this.#closed.signal);
      retryMs = helped ? RETRY_MIN_MS : Math.min(retryMs * 2, RETRY_MAX_MS);
    }
    this.#catchingUp = false;
  }

  /** @returns false where the history could not be read to its end */
  async #pass(group: Set<StepFollower>, patient: boolean): Promise<boolean> {
    const served = [...group];
    const moves = this.#moves;
    await this.#budget.turn();
    // The pace of its followers must not keep a place that other reads need.
    this.#budget.done();
    const beganAtMs = Date.now();
    const teller = new StepTeller();
    let isOver = false;
    for (const follower of served) follower.beginPass();
    try {
      for await (const chunk of this.#histories.readHistory(this.#id)) {
        for (const step of chunk.flatMap((entry) => teller.tell(entry))) {
          if (patient) await this.#untilOneCanTake(served);
          for (const follower of served) if (this.#has(follower)) follower.take(step);
          isOver = step.last;
        }
        if (!served.some((follower) => this.#has(follower) && !follower.lost)) break;
      }
    } catch {
      this.#metrics.reads.inc({ rpc: "StreamInstanceHistory", result: "failed" });
      return false;
    }
    this.#metrics.reads.inc({ rpc: "StreamInstanceHistory", result: "found" });
    for (const follower of served) {
      if (this.#has(follower)) this.#sort(follower, teller, beganAtMs, isOver);
    }
    if (this.#moves !== moves) this.#stale = true;
    void this.#follow();
    void this.#catchUp();
    return true;
  }

  /** Puts a follower where the pass has brought it. */
  #sort(follower: StepFollower, teller: StepTeller, beganAtMs: number, isOver: boolean): void {
    const { position: end } = teller;
    this.#present.delete(follower);
    this.#behind.delete(follower);
    const isShort = !follower.lost && (follower.position?.seq ?? 0) > (end?.seq ?? 0);
    const shortPasses = isShort ? (this.#shortPasses.get(follower) ?? 0) + 1 : 0;
    this.#shortPasses.set(follower, shortPasses);
    if (shortPasses >= SHORT_PASSES) follower.startOver();
    // Told that it is present, it may leave; where it belongs is settled before.
    this.#present.add(follower);
    if (follower.endPass(end, beganAtMs, isOver)) return;
    if (!this.#present.delete(follower)) return;
    this.#behind.add(follower);
  }

  /** Waits while all who could take the next step are not ready, up to 5 s. */
  async #untilOneCanTake(served: readonly StepFollower[]): Promise<void> {
    const waiting = () => served.filter((each) => this.#has(each) && each.takesNext);
    if (waiting().length === 0 || some(waiting(), ({ ready }) => ready)) return;
    let patient = true;
    const timer = setTimeout(() => {
      patient = false;
      this.nudge();
    }, PATIENCE_MS);
    while (patient && waiting().length > 0 && !some(waiting(), ({ ready }) => ready)) {
      await this.#nudged.promise;
    }
    clearTimeout(timer);
  }

  #has(follower: StepFollower): boolean {
    return this.#present.has(follower) || this.#behind.has(follower);
  }
}

function some<T>(items: Iterable<T>, test: (item: T) => boolean): boolean {
  for (const item of items) if (test(item)) return true;
  return false;
}
