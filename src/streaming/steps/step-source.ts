import { createBackOff } from "../../dts/back-off.ts";
import type { HistoryEntry } from "../../dts/history.ts";
import { SchedulerError } from "../../dts/scheduler-error.ts";
import type { Metrics } from "../metrics.ts";
import { pause } from "../reading/pause.ts";
import type { ReadBudget } from "../reading/read-budget.ts";
import { StepBuilder } from "./step.ts";
import type { StepFollower } from "./step-follower.ts";

/** The part of the scheduler's client that steps need. */
export interface HistoryReader {
  /** The history from its first entry, in chunks. Leaving the loop, or aborting, ends the read. */
  readHistory(id: string, signal?: AbortSignal): AsyncIterable<readonly HistoryEntry[]>;
}

/** How long a catch-up pass waits for its followers to take the next step. Then another pass begins. */
const MAX_WAIT_MS = 5000;
/** How long it may wait in total while another follower is waiting for a pass. */
const MAX_SHARED_WAIT_MS = 250;
/** Share of the time that live passes may take, so that reading a long history costs no more than a short one. */
const LIVE_DUTY = 0.25;
const RETRY = { minMs: 250, maxMs: 5000 };
/** A history that is shorter than what was sent of it for this long and in this many passes is another one. */
const SHORT_MS = 1500;
const SHORT_PASSES = 3;
/** Reads in a row that fail before followers are notified. */
const FAILURES_REPORTED = 3;

/**
 * Reads the history of one operation for all followers of its steps. The protocol has no offset: each
 * pass reads the history from its first entry, so followers share passes.
 *   STEPS-4. At most two passes run at a time, whatever the number of followers: a live pass for
 *            those that have every step so far, started when the status cursor moves, and a catch-up
 *            pass for those that lag.
 *   STEPS-5. The live pass waits for no follower: one that is not ready lags from then on.
 *   STEPS-6. The catch-up pass runs at the pace of its fastest follower, and the transport's window
 *            bounds what is read ahead; no step is queued. It ends early rather than keep a follower
 *            waiting that has arrived in the meantime.
 *   STEPS-7. After `close` nothing is read and no timer is left.
 */
export class StepSource {
  readonly #id: string;
  readonly #histories: HistoryReader;
  readonly #budget: ReadBudget;
  readonly #metrics: Metrics;
  /** Followers that have every step so far, and all others. */
  readonly #present = new Set<StepFollower>();
  readonly #lagging = new Set<StepFollower>();
  /** Followers whose last passes found fewer steps than were sent: since when, and how many passes. */
  readonly #short = new WeakMap<StepFollower, { readonly sinceMs: number; passes: number }>();
  readonly #closed = new AbortController();
  #moves = 0;
  /** Whether the present followers may lack steps of the last move. */
  #stale = false;
  #isLive = false;
  #isCatchingUp = false;
  #failures = 0;
  /** Resolved and replaced when a follower may have become ready. */
  #nudged = Promise.withResolvers<void>();
  /** Resolved and replaced when the operation moves or a follower is added. */
  #changed = Promise.withResolvers<void>();
  /** Resolved when a follower must not wait for the rest between two live passes. */
  #hurried = Promise.withResolvers<void>();

  constructor(id: string, histories: HistoryReader, budget: ReadBudget, metrics: Metrics) {
    this.#id = id;
    this.#histories = histories;
    this.#budget = budget;
    this.#metrics = metrics;
  }

  get size(): number {
    return this.#present.size + this.#lagging.size;
  }

  add(follower: StepFollower): void {
    this.#lagging.add(follower);
    this.#noteChange();
    this.nudge();
    void this.#catchUp();
  }

  remove(follower: StepFollower): void {
    follower.leave();
    this.#drop(follower);
    this.nudge();
  }

  /** The operation's cursor has moved, so its history may have grown. */
  moved(): void {
    this.#moves += 1;
    this.#stale = true;
    this.#noteChange();
    void this.#readLive();
  }

  /** A follower waits for a read that begins from now on. The next live pass begins without a rest. */
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
    this.#lagging.clear();
    this.nudge();
  }

  #noteChange(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Sends new steps to the present followers. */
  async #readLive(): Promise<void> {
    if (this.#isLive) return;
    this.#isLive = true;
    let backOff = createBackOff(RETRY);
    while (this.#stale && this.#present.size > 0) {
      const beganMs = performance.now();
      this.#hurried = Promise.withResolvers();
      const succeeded = await this.#pass(this.#present, false);
      if (!succeeded) this.#stale = true;
      const restMs = succeeded
        ? (performance.now() - beganMs) * (1 / LIVE_DUTY - 1)
        : backOff.nextMs();
      if (succeeded) backOff = createBackOff(RETRY);
      const rest = pause(restMs, this.#closed.signal);
      await (succeeded ? Promise.race([rest, this.#hurried.promise]) : rest);
    }
    this.#isLive = false;
  }

  /** Sends the lagging followers the steps that they lack. */
  async #catchUp(): Promise<void> {
    if (this.#isCatchingUp) return;
    this.#isCatchingUp = true;
    let backOff = createBackOff(RETRY);
    while (this.#lagging.size > 0) {
      if (!some(this.#lagging, ({ ready }) => ready)) {
        await this.#nudged.promise;
        continue;
      }
      const before = [...this.#lagging].map((each) => ({ each, position: each.position }));
      const changed = this.#changed.promise;
      const succeeded = await this.#pass(this.#lagging, true);
      const helped =
        succeeded &&
        before.some(({ each, position }) => !this.#lagging.has(each) || each.position !== position);
      if (!helped) {
        const rest = pause(backOff.nextMs(), this.#closed.signal);
        // While reading works, a new follower and a move end the wait.
        await (succeeded ? Promise.race([rest, changed]) : rest);
      }
      if (helped) backOff = createBackOff(RETRY);
    }
    this.#isCatchingUp = false;
  }

  /** @returns false if the history could not be read to its end */
  async #pass(group: Set<StepFollower>, isCatchUp: boolean): Promise<boolean> {
    await this.#budget.permit();
    // Held during the pass, the permit would be missing for other reads as long as followers are slow.
    this.#budget.done();
    const served = new Set(group);
    const moves = this.#moves;
    let waitedMs = 0;
    if (!isCatchUp) this.#stale = false;
    const beganAtMs = performance.now();
    const builder = new StepBuilder();
    const { signal } = this.#closed;
    if (served.size === 0 || signal.aborted) return true;
    for (const follower of served) follower.beginPass();
    try {
      for await (const chunk of this.#histories.readHistory(this.#id, signal)) {
        for (const entry of chunk) {
          for (const step of builder.add(entry)) {
            if (isCatchUp) waitedMs += await this.#untilOneCanTake(served, waitedMs);
            for (const follower of served) if (this.#has(follower)) follower.take(step);
          }
        }
        if (!some(served, (each) => this.#has(each) && !each.hasMissed)) break;
      }
    } catch (error) {
      if (!signal.aborted) this.#failed(served, error);
      return false;
    }
    this.#failures = 0;
    this.#metrics.reads.inc({ rpc: "StreamInstanceHistory", result: "found" });
    if (this.#present.size === 0) this.#stale = false;
    for (const follower of served) {
      if (this.#has(follower)) this.#sort(follower, builder, beganAtMs);
    }
    if (this.#moves !== moves) this.#stale = true;
    void this.#readLive();
    void this.#catchUp();
    return true;
  }

  #failed(served: Set<StepFollower>, error: unknown): void {
    this.#metrics.reads.inc({ rpc: "StreamInstanceHistory", result: "failed" });
    this.#failures += 1;
    const isNotKept = error instanceof SchedulerError && error.kind === "unsupported";
    if (!isNotKept && this.#failures < FAILURES_REPORTED) return;
    for (const follower of served) {
      if (!this.#has(follower)) continue;
      if (isNotKept) this.#drop(follower);
      follower.fail(isNotKept ? "not-kept" : "unavailable");
    }
  }

  /** Moves a follower to the group that it belongs to after a pass. */
  #sort(follower: StepFollower, builder: StepBuilder, beganAtMs: number): void {
    const { position: end, isOver } = builder;
    const staysShort = this.#staysShort(follower, end.seq);
    // The calls of the follower may make it leave, so its group is set before each.
    this.#present.delete(follower);
    this.#lagging.add(follower);
    if (staysShort && end.seq > 0) follower.startOver();
    if (!this.#lagging.delete(follower)) return;
    this.#present.add(follower);
    if (staysShort && end.seq === 0) follower.endWithoutHistory(beganAtMs);
    else if (!follower.endPass(end, beganAtMs, isOver) && this.#present.delete(follower)) {
      this.#lagging.add(follower);
    }
  }

  #staysShort(follower: StepFollower, endSeq: number): boolean {
    if (follower.hasMissed || follower.position.seq <= endSeq) {
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
   * Waits until a follower that needs the next step is ready: up to `MAX_WAIT_MS`, or
   * `MAX_SHARED_WAIT_MS` in the whole pass while another follower is waiting for a pass.
   * @param formerMs how long the pass has waited before
   * @returns how long it has waited now
   */
  async #untilOneCanTake(served: ReadonlySet<StepFollower>, formerMs: number): Promise<number> {
    if (!this.#nobodyIsReady(served)) return 0;
    const beganMs = performance.now();
    const waitedMs = () => performance.now() - beganMs;
    const isWanted = () => some(this.#lagging, (each) => !served.has(each) && each.ready);
    const wake = () => this.nudge();
    const sharedTimeout = setTimeout(wake, Math.max(0, MAX_SHARED_WAIT_MS - formerMs) + 1);
    const timeout = setTimeout(wake, MAX_WAIT_MS + 1);
    while (this.#nobodyIsReady(served) && waitedMs() < MAX_WAIT_MS) {
      if (formerMs + waitedMs() >= MAX_SHARED_WAIT_MS && isWanted()) break;
      await this.#nudged.promise;
    }
    clearTimeout(sharedTimeout);
    clearTimeout(timeout);
    return waitedMs();
  }

  /** Whether followers need the next step, but none of them is ready. */
  #nobodyIsReady(served: ReadonlySet<StepFollower>): boolean {
    let takers = 0;
    for (const each of served) {
      if (!each.takesNext || !this.#has(each)) continue;
      if (each.ready) return false;
      takers += 1;
    }
    return takers > 0;
  }

  #drop(follower: StepFollower): void {
    this.#lagging.delete(follower);
    this.#present.delete(follower);
  }

  #has(follower: StepFollower): boolean {
    return this.#present.has(follower) || this.#lagging.has(follower);
  }
}

function some<T>(items: Iterable<T>, test: (item: T) => boolean): boolean {
  for (const item of items) if (test(item)) return true;
  return false;
}
