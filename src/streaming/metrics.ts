import { Counter, Gauge, Histogram, Registry } from "@prometheus-io/client";
import { EventCounter, PlainHistogram } from "./delivery-metrics.ts";

/** What one process counts. Names and labels are part of the contract. */
export interface Metrics {
  readonly registry: Registry;
  readonly connections: Gauge<"transport">;
  readonly subscriptions: Gauge;
  readonly watchedOperations: Gauge;
  readonly reads: Counter<"rpc" | "result">;
  readonly readDuration: Histogram;
  readonly schedulerCalls: Histogram<"rpc" | "outcome">;
  readonly deliveryLag: PlainHistogram;
  readonly events: EventCounter;
  readonly coalesced: Counter;
  readonly resumes: Counter<"outcome">;
  readonly disconnects: Counter<"reason">;
  readonly hints: Counter<"outcome">;
  readonly hintsForwarded: Counter<"outcome">;
  readonly backstopReads: Counter;
  readonly readsSaved: Counter;
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** A registry of its own for each process or test, so that nothing is shared by accident. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  return {
    registry,
    connections: new Gauge({
      name: "dts_push_connections",
      help: "Open streams, by transport",
      labelNames: ["transport"],
      registers,
    }),
    subscriptions: new Gauge({
      name: "dts_push_subscriptions",
      help: "Subscriptions to operations, over all streams",
      registers,
    }),
    watchedOperations: new Gauge({
      name: "dts_push_watched_operations",
      help: "Operations that are being read for subscribers",
      registers,
    }),
    reads: new Counter({
      name: "dts_push_reads_total",
      help: "Reads of the scheduler, by RPC and result",
      labelNames: ["rpc", "result"],
      registers,
    }),
    readDuration: new Histogram({
      name: "dts_push_read_duration_seconds",
      help: "Time the scheduler took to answer a read",
      buckets: SECONDS,
      registers,
    }),
    schedulerCalls: new Histogram({
      name: "dts_push_scheduler_call_duration_seconds",
      help: "Time to the end of a call to the scheduler, by RPC and outcome. Histories and waits for an end are not among them",
      labelNames: ["rpc", "outcome"],
      buckets: SECONDS,
      registers,
    }),
    deliveryLag: new PlainHistogram(
      registry,
      "dts_push_delivery_lag_seconds",
      "Time from a transition's last_updated to its sending, live updates only",
      SECONDS,
    ),
    events: new EventCounter(registry),
    coalesced: new Counter({
      name: "dts_push_coalesced_total",
      help: "Changes that were merged into a later one for a slow client",
      registers,
    }),
    resumes: new Counter({
      name: "dts_push_resumes_total",
      help: "Subscriptions that came with a cursor, by what it led to",
      labelNames: ["outcome"],
      registers,
    }),
    disconnects: new Counter({
      name: "dts_push_disconnects_total",
      help: "Streams that ended, by reason",
      labelNames: ["reason"],
      registers,
    }),
    hints: new Counter({
      name: "dts_push_hints_total",
      help: "Hints that an operation has changed, by what they led to: read, merged or unwatched",
      labelNames: ["outcome"],
      registers,
    }),
    hintsForwarded: new Counter({
      name: "dts_push_hints_forwarded_total",
      help: "Hints for other replicas, by outcome: sent, failed or dropped",
      labelNames: ["outcome"],
      registers,
    }),
    backstopReads: new Counter({
      name: "dts_push_backstop_reads_total",
      help: "Reads that found a change whose hint had not come by the next read, of operations with hints",
      registers,
    }),
    readsSaved: new Counter({
      name: "dts_push_reads_saved_total",
      help: "Reads that polling alone would have made of operations with hints, estimated by its intervals",
      registers,
    }),
  };
}
