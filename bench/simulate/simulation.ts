import FakeTimers from "@sinonjs/fake-timers";
import { unrestricted } from "../../src/access.ts";
import { SETTINGS } from "../../src/settings.ts";
import { createMetrics } from "../../src/streaming/metrics.ts";
import { createStreaming } from "../../src/streaming/streaming.ts";
import type { Subscriber } from "../../src/streaming/watching/subscription.ts";
import { percentile } from "../support/report.ts";
import { ChangingOperations } from "./changing-operations.ts";

export interface SimulationOptions {
  /** Operations that clients of the replica watch, all of them active. */
  readonly operations: number;
  /** Replicas in all. Clients of the others watch as many operations each, and none of these. Default: 1. */
  readonly replicas?: number;
  /** Mean time between two changes of one operation, in milliseconds. */
  readonly changesEveryMs: number;
  /** Whether a hint announces each change. */
  readonly hints: boolean;
  /** Simulated time that counts. Some time before it does not. */
  readonly seconds: number;
  readonly seed: number;
}

export interface SimulationResult {
  /** Single reads and pages of queries, by the replica, each second. */
  readonly readsPerSecond: number;
  readonly pagesPerSecond: number;
  /** Changes that subscribers were shown, each second. States that came and went between two reads are not shown. */
  readonly updatesPerSecond: number;
  /** From a change to the subscribers, in milliseconds, without the network. */
  readonly lagP50Ms: number;
  readonly lagP95Ms: number;
}

const TICK_MS = 5;
/** From a change to the hint's arrival. */
const HINT_MS = 5;
const WARM_UP_S = 20;
/** A fixed one, so that a seed gives the same result every time. */
const START_MS = Date.UTC(2026, 0, 1);

/**
 * What one replica reads, with its own code (`src/streaming`) and the default settings, under a clock that
 * goes as quickly as the CPU can. How many watch one operation makes no difference.
 */
export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const { operations, replicas = 1, changesEveryMs, hints, seconds, seed } = options;
  const clock = FakeTimers.install({ now: START_MS });
  const realRandom = Math.random;
  Math.random = seeded(seed); // the jitter of the code under simulation
  const scheduler = new ChangingOperations(operations, replicas, seeded(seed + 1));
  const streaming = createStreaming(scheduler, defaults(), createMetrics(), SILENT);
  try {
    const lagsMs: number[] = [];
    const requester = { access: unrestricted("simulation") };
    for (const id of scheduler.ids) {
      streaming.watches.subscribe(id, collecting(lagsMs), undefined, requester);
    }
    const perTick = (operations * TICK_MS) / changesEveryMs;
    const pass = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += TICK_MS) {
        const changed = scheduler.change(perTick);
        if (hints && changed.length > 0) setTimeout(() => streaming.hint(changed), HINT_MS);
        await clock.tickAsync(TICK_MS);
      }
    };
    await pass(WARM_UP_S * 1000);
    lagsMs.length = 0;
    const { reads, pages } = scheduler;
    await pass(seconds * 1000);
    const perSecond = (count: number) => Math.round((10 * count) / seconds) / 10;
    lagsMs.sort((a, b) => a - b);
    return {
      readsPerSecond: perSecond(scheduler.reads - reads),
      pagesPerSecond: perSecond(scheduler.pages - pages),
      updatesPerSecond: perSecond(lagsMs.length),
      lagP50Ms: percentile(lagsMs, 0.5),
      lagP95Ms: percentile(lagsMs, 0.95),
    };
  } finally {
    streaming.close();
    Math.random = realRandom;
    clock.uninstall();
  }
}

function collecting(lagsMs: number[]): Subscriber {
  return {
    ready: true,
    onEvent({ type, operation }) {
      if (type === "update") lagsMs.push(Date.now() - operation.cursor.lastUpdatedAtMs);
    },
    onUnchanged: () => undefined,
    onEnd: () => undefined,
    onOutage: () => undefined,
    onRecovered: () => undefined,
  };
}

function defaults() {
  return {
    pollMinMs: SETTINGS.POLL_MIN_MS.default,
    pollMaxMs: SETTINGS.POLL_MAX_MS.default,
    pollMinHintedMs: SETTINGS.POLL_MIN_HINTED_MS.default,
    pollReadsPerSecond: SETTINGS.POLL_READS_PER_SECOND.default,
    pollPageSize: SETTINGS.POLL_PAGE_SIZE.default,
    completionCalls: 0, // nothing ends
    maxFeeds: SETTINGS.MAX_FEEDS.default,
    maxSubscriptionsPerCaller: Number.POSITIVE_INFINITY,
    maxConnections: SETTINGS.MAX_CONNECTIONS.default,
    maxConnectionsPerCaller: SETTINGS.MAX_CONNECTIONS_PER_CALLER.default,
    heartbeatMs: SETTINGS.HEARTBEAT_MS.default,
    streamMaxAgeMs: SETTINGS.STREAM_MAX_AGE_MS.default,
    maxBufferedBytes: SETTINGS.MAX_BUFFERED_BYTES.default,
  };
}

const SILENT = { debug: () => undefined, info: () => undefined, warn: () => undefined };

/** The same numbers for the same seed (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
