import { unrestricted } from "../../../src/access.ts";
import { createMetrics } from "../../../src/streaming/metrics.ts";
import {
  createStreaming,
  type StreamingOptions,
  type StreamingScheduler,
} from "../../../src/streaming/streaming.ts";
import type { Subscriber } from "../../../src/streaming/watching/subscription.ts";

/** Streaming with the default settings, its log, and what its subscribers receive. */
export function streamingOn(
  scheduler: StreamingScheduler,
  options: Partial<StreamingOptions> = {},
) {
  const logged: string[] = [];
  const received: { readonly id: string; readonly what: string }[] = [];
  const defaults = {
    pollMinMs: 250,
    pollMaxMs: 5000,
    pollMinHintedMs: 2000,
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
  const metrics = createMetrics();
  const streaming = createStreaming(scheduler, all, metrics, {
    debug: () => undefined,
    warn: (_line, message) => void logged.push(message),
    info: (_line, message) => void logged.push(message),
  });
  const subscriber: Subscriber = {
    ready: true,
    onEvent: ({ type, operation }, { id }) =>
      void received.push({
        id,
        what: `${type} ${operation.status} ${operation.instance.customStatus ?? "-"}`,
      }),
    onUnchanged: ({ id }) => void received.push({ id, what: "unchanged" }),
    onEnd: (reason, { id }) => void received.push({ id, what: `end ${reason}` }),
    onOutage: (_problem, { id }) => void received.push({ id, what: "outage" }),
    onRecovered: () => undefined,
  };
  const requester = { access: unrestricted("test") };
  const watch = (id: string) => streaming.watches.subscribe(id, subscriber, undefined, requester);
  return {
    watches: streaming.watches,
    feeds: streaming.feeds,
    metrics,
    close: () => streaming.close(),
    watch,
    logged,
    subscriber,
    receivedBy: (id: string) => received.filter((each) => each.id === id).map(({ what }) => what),
    received,
  };
}
