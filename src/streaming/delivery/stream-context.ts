import type { Connections } from "./connections.ts";
import type { Hub } from "../watching/watch-registry.ts";
import type { Metrics } from "../metrics.ts";

/** Settings of all streams. */
export interface StreamOptions {
  /** Time between heartbeat events of one stream, in milliseconds. */
  readonly heartbeatMs: number;
  /** Age at which a stream is rotated, ±20 %, in milliseconds. */
  readonly streamMaxAgeMs: number;
  /** Unsent bytes per client before it is cut off as too slow. */
  readonly maxBufferedBytes: number;
}

/** Everything a stream needs beside its client. */
export interface StreamContext {
  readonly hub: Hub;
  readonly connections: Connections;
  readonly options: StreamOptions;
  readonly metrics: Metrics;
}
