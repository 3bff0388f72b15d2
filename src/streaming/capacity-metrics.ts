import { Gauge, type Registry } from "@prometheus-io/client";
import type { Reader } from "./reading/reader.ts";

/** The limits of this process, beside what counts towards them. */
export interface Capacity {
  readonly maxConnections: number;
  readonly pollReadsPerSecond: number;
}

export function measureCapacity(registry: Registry, capacity: Capacity, reader: Reader): void {
  const registers = [registry];
  new Gauge({
    name: "dts_push_connections_limit",
    help: "Most open streams of this process: MAX_CONNECTIONS, or what the limit of open files allows",
    registers,
  }).set(capacity.maxConnections);
  new Gauge({
    name: "dts_push_read_budget_per_second",
    help: "Most reads of the scheduler per second by this process: POLL_READS_PER_SECOND",
    registers,
  }).set(capacity.pollReadsPerSecond);
  new Gauge({
    name: "dts_push_reads_waiting",
    help: "Reads of single operations that wait for the read budget",
    registers,
    collect() {
      this.set(reader.waiting);
    },
  });
}
