import type { Config } from "../../../src/config.ts";
import type { Instance } from "../../../src/dts/instance.ts";
import { share } from "../../helpers/lifetime.ts";
import { ScriptedScheduler } from "../../helpers/scheduler/scripted-scheduler.ts";
import { startTestApi } from "../../helpers/stack.ts";

export const TRANSPORTS = ["websocket", "sse", "long-poll"] as const;
export const ENDED = { status: "COMPLETED", output: '"done"' } as const;

/** A server whose operations are as a test has them, for all tests of a file. */
export function useScriptedServer(config: Partial<Config> = {}) {
  let ids = 0;
  return share(async () => {
    const scheduler = await ScriptedScheduler.start();
    const quick = { pollMinMs: 20, pollMaxMs: 50, ...config };
    const { url } = await startTestApi(scheduler.address, quick);
    /** A new operation, and what changes it. */
    const operation = (prefix = "op") => {
      const id = `${prefix}-${ids++}`;
      scheduler.set(id);
      const set = (change: Partial<Instance>) => scheduler.set(id, change);
      return { id, set, percent: (n: number) => set({ customStatus: String(n) }) };
    };
    return { scheduler, url, address: scheduler.address, operation };
  });
}
