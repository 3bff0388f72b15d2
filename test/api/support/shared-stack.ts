import { NoOpLogger, TaskHubGrpcClient } from "@microsoft/durabletask-js";
import { afterAll, beforeAll } from "vitest";
import type { Config } from "../../../src/config.ts";
import { startScheduler } from "../../../src/scheduler/scheduler.ts";
import { type RunningRole, startApi, startWorkerRole } from "../../../src/start.ts";
import { logger, testConfig } from "../../helpers/stack.ts";

/** What all tests of a file share. It is there only inside tests. */
export interface SharedStack {
  readonly url: URL;
  /** `host:port` of the scheduler. */
  readonly address: string;
  /** The SDK's own client of the same task hub. */
  readonly client: TaskHubGrpcClient;
}

interface SharedOptions {
  readonly worker?: boolean;
  /** Settings of the API, or what finds them before it starts. */
  readonly config?: Partial<Config> | (() => Promise<Partial<Config>>);
}

/**
 * Call it once at the top of a test file: one scheduler and API, and a worker if it is wanted, serve
 * all of its tests, which shows on the way that the process serves on after whatever it was sent.
 */
export function useSharedStack({ worker = false, config = {} }: SharedOptions = {}): SharedStack {
  const stack = {} as { -readonly [key in keyof SharedStack]: SharedStack[key] };
  const running: RunningRole[] = [];
  beforeAll(async () => {
    const scheduler = await startScheduler({ port: 0, database: ":memory:", logger });
    const target = { ...testConfig().target, address: scheduler.address };
    const resolved = typeof config === "function" ? await config() : config;
    const api = await startApi(
      testConfig({ target, pollMinMs: 50, pollMaxMs: 500, ...resolved }),
      logger,
    );
    const client = new TaskHubGrpcClient({
      hostAddress: scheduler.address,
      logger: new NoOpLogger(),
    });
    running.push(scheduler);
    if (worker) running.push(startWorkerRole({ target, graceMs: 1000 }, logger));
    running.push(api, { close: () => client.stop() });
    stack.client = client;
    stack.address = scheduler.address;
    stack.url = new URL(api.url.replace("localhost", "127.0.0.1"));
  });
  afterAll(async () => {
    for (const each of running.reverse()) await each.close();
  });
  return stack;
}
