/**
 * The API in a process of its own, over a scheduler in memory. Its operation `idle` never changes, all
 * others change with every read. The parent asks over IPC how much is in use after a garbage collection.
 */
import { once } from "node:events";
import { ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { queryObjects } from "node:v8";
import { pino } from "pino";
import { createAuthenticator } from "../../src/api/credentials/authenticator.ts";
import { buildApp } from "../../src/api/server.ts";
import { readConfig } from "../../src/config.ts";
import type { SchedulerClient } from "../../src/dts/client.ts";
import type { HistoryEntry } from "../../src/dts/history.ts";
import type { Instance } from "../../src/dts/instance.ts";
import { createMetrics } from "../../src/streaming/metrics.ts";
import { createStreaming } from "../../src/streaming/streaming.ts";

/** Steps of one execution; then the next one continues as new, so that no history grows. */
const STEPS_PER_EXECUTION = 50;
const START_MS = Date.now();

let changes = 0;

function changed(id: string): Instance {
  changes += 1;
  return {
    id,
    name: "test",
    version: undefined,
    tags: undefined,
    parentId: undefined,
    status: "RUNNING",
    createdAtMs: START_MS,
    lastUpdatedAtMs: START_MS + changes,
    scheduledAtMs: undefined,
    completedAtMs: undefined,
    customStatus: JSON.stringify({ changes, message: "x".repeat(500) }),
    output: undefined,
    failure: undefined,
  };
}

const IDLE: Instance = { ...changed("idle"), lastUpdatedAtMs: START_MS, customStatus: undefined };

function entry(type: string, eventId: number, more: Partial<HistoryEntry> = {}): HistoryEntry {
  const nothing = { completes: undefined, executionId: undefined, status: undefined };
  const empty = { childId: undefined, failure: undefined, input: undefined, output: undefined };
  return { type, eventId, atMs: START_MS, name: "test", ...nothing, ...empty, ...more };
}

const scheduler: Partial<SchedulerClient> = {
  getInstance: async (id) => (id === "idle" ? IDLE : changed(id)),
  queryInstances: async () => ({
    instances: [changed("op")],
    nextPageToken: undefined,
    payloadLength: 0,
  }),
  waitForCompletion: () => new Promise(() => undefined),
  async *readHistory() {
    const executionId = String(Math.floor(changes / STEPS_PER_EXECUTION));
    const steps = Array.from({ length: changes % STEPS_PER_EXECUTION }, (_, index) =>
      entry("TASKSCHEDULED", index),
    );
    yield [entry("EXECUTIONSTARTED", -1, { executionId }), ...steps];
  },
};

const config = {
  ...readConfig({}),
  maxEventLoopDelayMs: 0,
  pollMinMs: 1,
  pollMaxMs: 1,
  pollReadsPerSecond: 100_000,
  pollPageSize: 0,
  heartbeatMs: 3_600_000,
  streamMaxAgeMs: 3_600_000,
};
const metrics = createMetrics();
const log = pino({ level: "silent" });
const streams = createStreaming(scheduler as SchedulerClient, config, metrics, log);
const app = await buildApp({
  scheduler: scheduler as SchedulerClient,
  stored: scheduler as SchedulerClient,
  streams,
  access: config,
  limits: config,
  authenticator: createAuthenticator(config.credentials, log),
  graceMs: 500,
  peers: { forward: () => undefined },
  closing: { leaving: new AbortController().signal, requestsWithinMs: 500 },
  maxSockets: undefined,
  metrics: true,
  sample: true,
  logger: pino({ level: "silent" }),
});
await app.listen({ host: "127.0.0.1", port: 0 });

process.on("message", () => {
  global.gc?.();
  global.gc?.();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  const responses = queryObjects(ServerResponse, { format: "count" });
  process.send?.({ changes, responses, usedBytes: heapUsed + arrayBuffers });
});
process.send?.({ port: (app.server.address() as AddressInfo).port });
await once(process, "disconnect");
process.exit();
