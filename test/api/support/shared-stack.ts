import type { TaskHubGrpcClient } from "@microsoft/durabletask-js";
import type { Config } from "../../../src/config.ts";
import { share } from "../../helpers/lifetime.ts";
import { sdkClient } from "../../helpers/sdk.ts";
import { startTestApi, startTestScheduler, startTestWorker } from "../../helpers/stack.ts";

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
  return share(async () => {
    const address = await startTestScheduler();
    if (worker) startTestWorker(address);
    const overrides = typeof config === "function" ? await config() : config;
    const quick = { pollMinMs: 50, pollMaxMs: 500 };
    const { url } = await startTestApi(address, { ...quick, ...overrides });
    return { url, address, client: sdkClient(address) };
  });
}
