import type { Instance } from "../../../src/dts/instance.ts";
import type { InstancePage, InstanceQuery } from "../../../src/dts/instance-query.ts";
import type { StreamingScheduler } from "../../../src/streaming/streaming.ts";
import { instance, pageOf } from "./instance.ts";

/**
 * A scheduler in memory, for tests with fake timers. Under those nothing real may be awaited, so it takes
 * the place of the gRPC client.
 */
export class InMemoryScheduler implements StreamingScheduler {
  readonly states = new Map<string, Instance>();
  /** Ids of all single reads, and the instances of each page. */
  reads: string[] = [];
  pages: number[] = [];
  readMs = 2;
  pageMs = 5;
  /** What queries know, where that is not what reads know. */
  listed: ReadonlyMap<string, Instance> | undefined;
  /** Called before a page is made up, and after: it can fail, or wait. */
  beforePage: () => Promise<void> = async () => undefined;
  afterPage: () => Promise<void> = async () => undefined;
  /** Whether pages are empty, and there is always one more. */
  isEndless = false;

  set(id: string, change: Partial<Instance> = {}): void {
    const present = this.states.get(id) ?? instance({ createdAtMs: Date.now() });
    this.states.set(id, { ...present, id, lastUpdatedAtMs: Date.now(), ...change });
  }

  async getInstance(id: string): Promise<Instance | undefined> {
    this.reads.push(id);
    const found = this.states.get(id);
    await sleep(this.readMs);
    return found;
  }

  async queryInstances(query: InstanceQuery): Promise<InstancePage> {
    await this.beforePage();
    const { page, nextPageToken } = pageOf((this.listed ?? this.states).values(), query);
    const instances = this.isEndless ? [] : page;
    this.pages.push(instances.length);
    await sleep(this.pageMs);
    await this.afterPage();
    const endlessToken = String(Number(query.pageToken ?? 0) + query.pageSize);
    return {
      instances,
      nextPageToken: this.isEndless ? endlessToken : nextPageToken,
      payloadLength: 0,
    };
  }

  waitForCompletion(): Promise<unknown> {
    return new Promise(() => undefined);
  }

  async *readHistory() {
    // It keeps none.
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
