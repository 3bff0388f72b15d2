import { createBackOff } from "../../dts/back-off.ts";
import type { Metrics } from "../metrics.ts";
import { jittered } from "./jitter.ts";
import { pause } from "./pause.ts";

/** What waiting needs of the scheduler. */
export interface CompletionWaiter {
  /** Stays open until the instance has ended; rejects when `signal` is aborted. */
  waitForCompletion(id: string, signal: AbortSignal): Promise<unknown>;
}

/** The service ends a call that is idle for 4 minutes; ours ends before, and is made again. */
const REARM_MS = 200_000;
/** Time to the next call after one that failed, or returned nothing. */
const RETRY = { minMs: 5000, maxMs: 60_000 };

/**
 * Learns of an operation's end sooner than the next read would, by calls that the scheduler answers at
 * the end. It makes a watcher read; nothing depends on it.
 *   COMPLETION-1. At most `maxCalls` calls are open; further operations wait for a place.
 *   COMPLETION-2. A call ends within 200 s ±15 %, and is then made again.
 *   COMPLETION-3. After `remove` and `close` no call and no timer is left.
 */
export class CompletionWaits {
  readonly #scheduler: CompletionWaiter;
  readonly #maxCalls: number;
  readonly #metrics: Metrics;
  readonly #onCompleted: (id: string) => void;
  readonly #open = new Map<string, AbortController>();
  readonly #waiting = new Set<string>();

  constructor(
    scheduler: CompletionWaiter,
    maxCalls: number,
    metrics: Metrics,
    onCompleted: (id: string) => void,
  ) {
    this.#scheduler = scheduler;
    this.#maxCalls = maxCalls;
    this.#metrics = metrics;
    this.#onCompleted = onCompleted;
  }

  add(id: string): void {
    if (this.#open.has(id)) return;
    if (this.#open.size < this.#maxCalls) this.#start(id);
    else this.#waiting.add(id);
  }

  remove(id: string): void {
    this.#waiting.delete(id);
    const call = this.#open.get(id);
    if (!call) return;
    this.#open.delete(id);
    call.abort();
    const [next] = this.#waiting;
    if (next === undefined) return;
    this.#waiting.delete(next);
    this.#start(next);
  }

  close(): void {
    this.#waiting.clear();
    for (const call of this.#open.values()) call.abort();
    this.#open.clear();
  }

  #start(id: string): void {
    const removed = new AbortController();
    this.#open.set(id, removed);
    void this.#watch(id, removed.signal);
  }

  async #watch(id: string, removed: AbortSignal): Promise<void> {
    let backOff = createBackOff(RETRY);
    while (!removed.aborted) {
      const outcome = await this.#call(id, removed);
      if (removed.aborted) return;
      if (outcome === "completed") this.#onCompleted(id);
      if (outcome === "rearm") {
        backOff = createBackOff(RETRY);
        continue;
      }
      // Also after "completed": the watcher removes it, unless the operation runs again by then.
      await pause(backOff.nextMs(), removed);
    }
  }

  async #call(id: string, removed: AbortSignal): Promise<"completed" | "rearm" | "failed"> {
    const rearm = new AbortController();
    const timer = setTimeout(() => rearm.abort(), jittered(REARM_MS));
    try {
      const signal = AbortSignal.any([removed, rearm.signal]);
      const found = await this.#scheduler.waitForCompletion(id, signal);
      this.#count(found ? "found" : "missing");
      return found ? "completed" : "failed";
    } catch {
      const ended = rearm.signal.aborted || removed.aborted;
      this.#count(ended ? "ended" : "failed");
      return rearm.signal.aborted ? "rearm" : "failed";
    } finally {
      clearTimeout(timer);
    }
  }

  #count(result: "found" | "missing" | "ended" | "failed"): void {
    this.#metrics.reads.inc({ rpc: "WaitForInstanceCompletion", result });
  }
}
