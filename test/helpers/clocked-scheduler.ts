import { unrestricted } from "../../src/access.ts";
import type { Instance } from "../../src/dts/instance.ts";
import type { InstancePage, InstanceQuery } from "../../src/dts/instance-query.ts";
import { createMetrics } from "../../src/streaming/metrics.ts";
import {
  createStreaming,
  type StreamingOptions,
  type StreamingScheduler,
} from "../../src/streaming/streaming.ts";
import type { Subscriber } from "../../src/streaming/watching/subscription.ts";
import { instance } from "./scripted-scheduler.ts";

/**
 * A scheduler in memory, for tests that own the clock: under fake timers nothing real may be awaited,
 * so it stands where the client of a real one would.
 */
export class ClockedScheduler implements StreamingScheduler {
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
    const present = this.states.get(id);
    const blank = instance({ createdAtMs: Date.now() });
    const lastUpdatedAtMs = Date.now();
    this.states.set(id, { ...blank, ...present, id, lastUpdatedAtMs, ...change });
  }

  async getInstance(id: string): Promise<Instance | undefined> {
    this.reads.push(id);
    const found = this.states.get(id);
    await sleep(this.readMs);
    return found;
  }

  async queryInstances(query: InstanceQuery): Promise<InstancePage> {
    await this.beforePage();
    const { createdFromMs = 0, createdToMs, statuses = [], idPrefix = "", pageSize } = query;
    const { pageToken } = query;
    const all = [...(this.listed ?? this.states).values()].filter(
      ({ id, createdAtMs, status }) =>
        id.startsWith(idPrefix) &&
        createdAtMs >= createdFromMs &&
        createdAtMs < (createdToMs ?? Number.POSITIVE_INFINITY) &&
        (statuses.length === 0 || statuses.includes(status)),
    );
    const start = Number(pageToken ?? 0);
    const instances = this.isEndless ? [] : all.slice(start, start + pageSize);
    this.pages.push(instances.length);
    await sleep(this.pageMs);
    await this.afterPage();
    const hasMore = this.isEndless || all.length > start + pageSize;
    const nextPageToken = hasMore ? String(start + pageSize) : undefined;
    return { instances, nextPageToken, payloadLength: 0 };
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

/** Streaming with the default settings, its log, and what its subscribers receive. */
export function streamingOn(scheduler: ClockedScheduler, options: Partial<StreamingOptions> = {}) {
  const logged: string[] = [];
  const told: { readonly id: string; readonly what: string }[] = [];
  const defaults = {
    pollMinMs: 250,
    pollMaxMs: 5000,
    pollReadsPerSecond: 500,
    pollPageSize: 500,
    maxFeeds: 100,
    maxSubscriptionsPerCaller: 100_000,
  };
  const defaultsOfStreams = {
    completionCalls: 0,
    maxConnections: 100,
    maxConnectionsPerCaller: 100,
    heartbeatMs: 15_000,
    streamMaxAgeMs: 3_600_000,
    maxBufferedBytes: 1_000_000,
  };
  const all = { ...defaults, ...defaultsOfStreams, ...options };
  const streaming = createStreaming(scheduler, all, createMetrics(), {
    debug: () => undefined,
    warn: (_line, message) => void logged.push(message),
    info: (_line, message) => void logged.push(message),
  });
  const subscriber: Subscriber = {
    ready: true,
    onEvent: ({ type, operation }, { id }) =>
      void told.push({
        id,
        what: `${type} ${operation.status} ${operation.instance.customStatus ?? "-"}`,
      }),
    onUnchanged: ({ id }) => void told.push({ id, what: "unchanged" }),
    onEnd: (reason, { id }) => void told.push({ id, what: `end ${reason}` }),
    onOutage: (_problem, { id }) => void told.push({ id, what: "trouble" }),
    onRecovered: () => undefined,
  };
  const requester = { access: unrestricted("test") };
  const watch = (id: string) => streaming.watches.subscribe(id, subscriber, undefined, requester);
  return {
    watches: streaming.watches,
    feeds: streaming.feeds,
    close: () => streaming.close(),
    watch,
    logged,
    subscriber,
    toldOf: (id: string) => told.filter((each) => each.id === id).map(({ what }) => what),
    told,
  };
}
