import type { Logger } from "pino";
import { type Authenticator, createAuthenticator } from "./api/credentials/authenticator.ts";
import { HintPeers } from "./api/hints/hint-peers.ts";
import type { Config } from "./config.ts";
import { clientLimits, descriptorLimit } from "./descriptors.ts";
import type { CallMeter } from "./dts/calls.ts";
import { createSchedulerClient, type SchedulerClient } from "./dts/client.ts";
import { createConnection } from "./dts/connection/connection.ts";
import { redactedClient } from "./dts/redaction/redacted-client.ts";
import { Redaction } from "./dts/redaction/redaction.ts";
import { createMetrics } from "./streaming/metrics.ts";
import { createStreaming, type Streaming } from "./streaming/streaming.ts";

/** What an API consists of, apart from its HTTP server. */
export interface ApiParts {
  readonly scheduler: SchedulerClient;
  /** The same without masks (REDACT): for what is compared and never shown. */
  readonly stored: SchedulerClient;
  readonly streams: Streaming;
  readonly authenticator: Authenticator;
  readonly peers: HintPeers;
  /** Sockets at a time, by the process's limit of descriptors; `undefined` where it is not known. */
  readonly maxSockets: number | undefined;
  readonly logger: Logger;
  /** Ends all of them. Every stream must have ended before. */
  close(): Promise<void>;
}

/**
 * Puts the API together, but for its server. Nothing is read yet.
 * @param ownPort where this process listens, once it does
 * @throws Error where the file of API keys cannot be used
 */
export function createApiParts(config: Config, logger: Logger, ownPort: () => number): ApiParts {
  const authenticator = createAuthenticator(config.credentials, logger);
  const metrics = createMetrics();
  const countCall: CallMeter = (rpc, outcome, seconds) =>
    metrics.schedulerCalls.observe({ rpc, outcome }, seconds);
  const stored = createSchedulerClient(createConnection(config.target, logger, countCall));
  const { redactedPaths } = config;
  const scheduler = redactedPaths ? redactedClient(stored, new Redaction(redactedPaths)) : stored;
  const limits = clientLimits(config.maxConnections, descriptorLimit());
  if (limits.maxStreams < config.maxConnections) {
    const { maxConnections } = config;
    const line = { maxConnections, descriptors: descriptorLimit(), maxStreams: limits.maxStreams };
    logger.warn(line, "MAX_CONNECTIONS exceeds the limit of open files (ulimit -n): fewer streams");
  }
  const options = { ...config, maxConnections: limits.maxStreams };
  const streams = createStreaming(scheduler, options, metrics, logger);
  const peers = new HintPeers({
    ...config.hints,
    ownPort,
    log: logger,
    onOutcome: (outcome, count) => metrics.hintsForwarded.inc({ outcome }, count),
  });
  return {
    scheduler,
    stored,
    streams,
    authenticator,
    peers,
    maxSockets: limits.maxSockets,
    logger,
    async close() {
      authenticator.close();
      peers.close();
      streams.close();
      await scheduler.close();
    },
  };
}
