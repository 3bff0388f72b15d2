import type { Instance } from "../../src/dts/instance.ts";
import type { InstancePage, InstanceQuery } from "../../src/dts/instance-query.ts";
import type { StreamingScheduler } from "../../src/streaming/streaming.ts";

/** How long a read and a page take, in milliseconds. */
const READ_MS = 5;
const PAGE_MS = 30;

/**
 * The active operations of a task hub, as a scheduler shows them. Those that clients of one replica watch change at
 * random: a change does not depend on those before (a Poisson process), so that nothing can be foreseen. Those that
 * only clients of other replicas watch are listed between them.
 */
export class ChangingOperations implements StreamingScheduler {
  /** Of those that are watched. */
  readonly ids: readonly string[];
  readonly #stride: number;
  /** In the order of their creation, as queries list them. */
  readonly #instances: Instance[];
  readonly #random: () => number;
  reads = 0;
  pages = 0;
  changes = 0;

  /** @param stride one in so many is watched */
  constructor(watched: number, stride: number, random: () => number) {
    this.#random = random;
    this.#stride = stride;
    const nowMs = Date.now();
    const count = watched * stride;
    this.#instances = Array.from({ length: count }, (_, index) => ({
      id: `op-${index}`,
      name: "simulated",
      version: undefined,
      tags: undefined,
      parentId: undefined,
      status: "RUNNING",
      createdAtMs: nowMs - count + index,
      lastUpdatedAtMs: nowMs,
      scheduledAtMs: undefined,
      completedAtMs: undefined,
      customStatus: status(0),
      output: undefined,
      failure: undefined,
    }));
    this.ids = Array.from({ length: watched }, (_, index) => `op-${index * stride}`);
  }

  /** Changes some of them: as many as change on average, in all, within a time. @returns their ids */
  change(mean: number): string[] {
    // The whole part, and one more as often as the rest says.
    const count = Math.floor(mean) + (this.#random() < mean % 1 ? 1 : 0);
    return Array.from({ length: count }, () => {
      const at = Math.floor(this.#random() * this.ids.length) * this.#stride;
      const present = this.#instances[at] as Instance;
      this.changes += 1;
      this.#instances[at] = {
        ...present,
        lastUpdatedAtMs: Date.now(),
        customStatus: status(this.changes),
      };
      return present.id;
    });
  }

  async getInstance(id: string): Promise<Instance | undefined> {
    this.reads += 1;
    const found = this.#instances[Number(id.slice("op-".length))];
    await after(READ_MS);
    return found;
  }

  async queryInstances({ pageSize, pageToken = "0" }: InstanceQuery): Promise<InstancePage> {
    this.pages += 1;
    const end = Number(pageToken) + pageSize;
    const instances = this.#instances.slice(Number(pageToken), end);
    await after(PAGE_MS);
    return {
      instances,
      nextPageToken: end < this.#instances.length ? String(end) : undefined,
      payloadLength: instances.reduce((sum, each) => sum + (each.customStatus?.length ?? 0), 0),
    };
  }

  /** None of them ends. */
  waitForCompletion(): Promise<unknown> {
    return new Promise(() => undefined);
  }

  async *readHistory() {
    // Nobody follows steps.
  }
}

function status(change: number): string {
  return JSON.stringify({ percent: change % 100, step: change, message: `step ${change}` });
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
