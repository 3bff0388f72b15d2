import type { TaskHubGrpcClient } from "@microsoft/durabletask-js";
import { pino } from "pino";
import { type Config, readConfig } from "../../src/config.ts";
import { startScheduler } from "../../src/scheduler/scheduler.ts";
import { type RunningApi, startApi, startWorkerRole } from "../../src/start.ts";
import { onEnd } from "./lifetime.ts";
import { sdkClient } from "./sdk.ts";

export const logger = pino({ level: process.env.TEST_LOG_LEVEL ?? "silent" });

/** Settings for tests: the defaults, on ports that the system picks. */
export function testConfig(overrides: Partial<Config> = {}): Config {
  return {
    ...readConfig({}),
    port: 0,
    schedulerPort: 0,
    schedulerDb: ":memory:",
    maxEventLoopDelayMs: 0, // Other tests may keep the machine busy.
    graceMs: 500,
    drainDelayMs: 0,
    ...overrides,
  };
}

/** A scheduler, a worker and an API that ends with the test. */
export interface Stack {
  /** The API's address. It stays the same when the API is restarted. */
  readonly url: URL;
  /** `host:port` of the scheduler. */
  readonly address: string;
  readonly config: Config;
  stopApi(): Promise<void>;
  /** Starts the API again on the port that it had. */
  startApi(): Promise<void>;
  /** Starts an operation and returns its id. */
  startOperation(body: {
    processing_time: number;
    steps?: number;
    operation_id?: string;
  }): Promise<string>;
  /** Ends an operation that a test does not want to wait for. */
  terminate(id: string): Promise<void>;
}

/** Starts the whole product in this process, as `npm start` does. */
export async function startStack(overrides: Partial<Config> = {}): Promise<Stack> {
  const address = await startTestScheduler();
  startTestWorker(address);
  return startTestApi(address, overrides);
}

/** Starts an embedded scheduler that keeps nothing, and returns its `host:port`. */
export async function startTestScheduler(database = ":memory:", port = 0): Promise<string> {
  const scheduler = await startScheduler({ port, database, logger });
  onEnd(() => scheduler.close());
  return scheduler.address;
}

export function startTestWorker(address: string): void {
  const worker = startWorkerRole({ target: targetOf(address), graceMs: 1000 }, logger);
  onEnd(() => worker.close());
}

/** Starts an API on a scheduler that runs already. */
export async function startTestApi(
  address: string,
  overrides: Partial<Config> = {},
  log = logger,
): Promise<Stack> {
  const config = testConfig({ target: targetOf(address), ...overrides });
  let api: RunningApi | undefined = await startApi(config, log);
  onEnd(() => api?.close());
  let client: TaskHubGrpcClient | undefined;
  const url = new URL(api.url.replace("localhost", "127.0.0.1"));
  return {
    url,
    address,
    config,
    async stopApi() {
      await api?.close();
      api = undefined;
    },
    async startApi() {
      api = await startApi({ ...config, port: Number(url.port) }, log);
    },
    async startOperation(body) {
      const response = await fetch(new URL("/api/start-operation", url), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      if (response.status !== 202) throw new Error(`${response.status} ${await response.text()}`);
      return ((await response.json()) as { operation_id: string }).operation_id;
    },
    terminate(id) {
      client ??= sdkClient(address);
      return client.terminateOrchestration(id);
    },
  };
}

function targetOf(address: string): Config["target"] {
  return { address, taskHub: "default", authentication: { kind: "none" } };
}
