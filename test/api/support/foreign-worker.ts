import type { OrchestrationContext } from "@microsoft/durabletask-js";
import { afterAll, beforeAll } from "vitest";
import { createSdkWorker } from "../../helpers/sdk.ts";
import type { SharedStack } from "./shared-stack.ts";

type Steps = AsyncGenerator<unknown, unknown, unknown>;

/** Keys whose first attempt has failed. */
const failedOnce = new Set<string>();

/** Orchestrations of a program that knows nothing of this API. */
const CODE = {
  orchestrators: {
    /** Returns its input. */
    async echo(_: OrchestrationContext, input: unknown) {
      return input;
    },
    /** Returns what the event "go" brings. */
    async *wait(context: OrchestrationContext): Steps {
      return yield context.waitForExternalEvent("go");
    },
    /** Waits for a child of its own, whose id is its input. */
    async *parent(context: OrchestrationContext, childId: string): Steps {
      return yield context.callSubOrchestrator("wait", undefined, { instanceId: childId });
    },
    /** Waits for a parent of its own, whose child has this id. */
    async *grandparent(context: OrchestrationContext, childId: string): Steps {
      const options = { instanceId: `parent-of-${childId}` };
      return yield context.callSubOrchestrator("parent", childId, options);
    },
    async fail() {
      throw new Error("no");
    },
    /** Fails the first time. */
    async *recovers(context: OrchestrationContext): Steps {
      return yield context.callActivity("fail_once", context.instanceId);
    },
  },
  activities: {
    fail_once(_: unknown, key: string) {
      if (failedOnce.has(key)) return "recovered";
      failedOnce.add(key);
      throw new Error("the first attempt fails");
    },
  },
};

/** Runs them beside all tests of a file. Call it once, after `useSharedStack`. */
export function useForeignWorker(stack: SharedStack): void {
  let worker: ReturnType<typeof createSdkWorker>;
  beforeAll(async () => {
    worker = createSdkWorker(stack.address, CODE as never);
    await worker.start();
  });
  afterAll(() => worker.stop());
}
