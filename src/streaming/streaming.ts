import { measureCapacity } from "./capacity-metrics.ts";
import { type ConnectionLimits, Connections } from "./delivery/connections.ts";
import type { StreamContext, StreamOptions } from "./delivery/stream-context.ts";
import { FeedRegistry } from "./feed/feed-registry.ts";
import { OperationLists } from "./list/operation-lists.ts";
import type { Metrics } from "./metrics.ts";
import { isEnded } from "./operation/announced.ts";
import { type CompletionWaiter, CompletionWaits } from "./reading/completion-waits.ts";
import { Listing } from "./reading/listing.ts";
import { ReadBudget } from "./reading/read-budget.ts";
import { type InstanceReader, type OutageLog, Reader } from "./reading/reader.ts";
import type { HistoryReader } from "./steps/step-source.ts";
import { StepSources } from "./steps/step-sources.ts";
import { WatchRegistry } from "./watching/watch-registry.ts";

/** Times in milliseconds. The README's table of settings has the defaults. */
export interface StreamingOptions extends StreamOptions, ConnectionLimits {
  readonly pollMinMs: number;
  readonly pollMaxMs: number;
  /** Shortest time between two reads while hints announce the changes. */
  readonly pollMinHintedMs: number;
  /** Reads of the scheduler per second. */
  readonly pollReadsPerSecond: number;
  /** Instances per page of a sweep, which takes the place of many reads; 0 for no sweeps. */
  readonly pollPageSize: number;
  /** Calls that wait for the end of an operation, at a time; 0 for none. */
  readonly completionCalls: number;
  /** Different prefixes whose feeds are followed at a time. */
  readonly maxFeeds: number;
  /** Subscriptions of one caller, at a time. */
  readonly maxSubscriptionsPerCaller: number;
}

/** What streaming needs of the scheduler. */
export type StreamingScheduler = InstanceReader & CompletionWaiter & HistoryReader;

/** Everything that streams need, and how it ends. */
export interface Streaming extends StreamContext {
  readonly lists: OperationLists;
  /** A hint that these operations have changed: those that are watched are read now. */
  hint(ids: readonly string[]): void;
  /** Stops all reading. Every stream must have ended before. */
  close(): void;
}

/** Puts the rooms of this folder together, for one process and one task hub. */
export function createStreaming(
  scheduler: StreamingScheduler,
  options: StreamingOptions,
  metrics: Metrics,
  log: OutageLog,
): Streaming {
  const intervals = {
    minMs: options.pollMinMs,
    maxMs: options.pollMaxMs,
    hintedMinMs: options.pollMinHintedMs,
  };
  const budget = new ReadBudget({ readsPerSecond: options.pollReadsPerSecond });
  const reader = new Reader(scheduler, budget, metrics, log);
  measureCapacity(metrics.registry, options, reader);
  const listing = new Listing(reader, options.pollPageSize || MAX_PAGE_SIZE);
  const steps = new StepSources(scheduler, budget, metrics);
  const completions = new CompletionWaits(scheduler, options.completionCalls, metrics, (id) =>
    watches.announce(id, isEnded),
  );
  const watches: WatchRegistry = new WatchRegistry(
    { reader, budget, listing, completions },
    {
      intervals,
      pageSize: options.pollPageSize,
      maxSubscriptionsPerCaller: options.maxSubscriptionsPerCaller,
      metrics,
      log,
      onMoved: (id) => steps.moved(id),
    },
  );
  const feeds = new FeedRegistry(watches, reader, listing, intervals, options.maxFeeds);
  return {
    watches,
    feeds,
    lists: new OperationLists(listing, watches),
    steps,
    connections: new Connections(options),
    options,
    metrics,
    log,
    changed(id, isShown) {
      feeds.expect(id);
      watches.announce(id, isShown);
    },
    hint: (ids) => watches.hint(ids),
    close() {
      feeds.close();
      steps.close();
      watches.close();
    },
  };
}

/** Instances per page of a feed's queries where sweeps are turned off. */
const MAX_PAGE_SIZE = 500;
