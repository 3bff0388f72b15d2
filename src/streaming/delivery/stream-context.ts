import type { FeedRegistry } from "../feed/feed-registry.ts";
import type { Metrics } from "../metrics.ts";
import type { IsShown } from "../operation/announced.ts";
import type { DebugLog } from "../reading/reader.ts";
import type { StepSources } from "../steps/step-sources.ts";
import type { WatchRegistry } from "../watching/watch-registry.ts";
import type { Connections } from "./connections.ts";

/** Settings of all streams. */
export interface StreamOptions {
  /** Time between heartbeat events of one stream, in milliseconds. */
  readonly heartbeatMs: number;
  /** Age at which a stream is rotated, ±20 %, in milliseconds. */
  readonly streamMaxAgeMs: number;
  /** Unsent bytes per client before it is cut off as too slow. */
  readonly maxBufferedBytes: number;
}

/** Receives two lines for each stream, too. */
export interface StreamLines extends DebugLog {
  info(line: object, message: string): void;
}

/** Everything a stream needs beside its client. */
export interface StreamContext {
  readonly watches: WatchRegistry;
  readonly feeds: FeedRegistry;
  readonly steps: StepSources;
  readonly connections: Connections;
  readonly options: StreamOptions;
  readonly metrics: Metrics;
  readonly log: StreamLines;
  /**
   * An operation was started or changed through this process. If anybody watches it, it is read at once,
   * and until the change is shown.
   * @param isShown default: any change is taken for it
   */
  changed(id: string, isShown?: IsShown): void;
}
