import {
  type OrchestrationContext,
  VersionFailureStrategy,
  VersionMatchStrategy,
} from "@microsoft/durabletask-js";
import { expect, onTestFinished, test } from "vitest";
import { useTaskHub } from "./support/task-hub.ts";

const hub = useTaskHub((worker) => {
  worker.addNamedOrchestrator("anything", async (_: OrchestrationContext, input: unknown) => input);
});

test.skipIf(process.env.ENDPOINT)("work goes only to workers whose filters match", async () => {
  // The emulator ignores filters, and elsewhere a second hub may not exist.
  const own = hub.another("filters");
  const worker = own.worker({
    workItemFilters: { orchestrations: [{ name: "mine", versions: [] }] },
  });
  worker.addNamedOrchestrator("mine", async () => "by the filtered worker");
  await worker.start();
  onTestFinished(() => worker.stop());
  const other = await own.client.scheduleNewOrchestration("not-mine");
  expect((await own.run("mine")).serializedOutput).toBe('"by the filtered worker"');
  expect((await own.client.getOrchestrationState(other))?.runtimeStatus).toBe(6); // PENDING
});

test.skipIf(process.env.ENDPOINT)(
  "work that a worker rejects for its version goes to another",
  async () => {
    const own = hub.another("versions");
    const strict = (version: string) =>
      own.worker({
        versioning: {
          version,
          matchStrategy: VersionMatchStrategy.Strict,
          failureStrategy: VersionFailureStrategy.Reject,
        },
      });
    const [old, current] = [strict("1.0.0"), strict("2.0.0")];
    for (const [worker, name] of [
      [old, "old"],
      [current, "current"],
    ] as const) {
      worker.addNamedOrchestrator("who", async () => name);
      await worker.start();
      onTestFinished(() => worker.stop());
    }
    const id = await own.client.scheduleNewOrchestration("who", 1, { version: "2.0.0" });
    expect((await own.end(id)).serializedOutput).toBe('"current"');
  },
);

test("a second worker may connect and disconnect without losing work", async () => {
  const second = hub.worker();
  second.addNamedOrchestrator("anything", async (_: OrchestrationContext, input: unknown) => input);
  await second.start();
  const running = Array.from({ length: 50 }, (_, n) => hub.run("anything", n));
  await running[0];
  await second.stop();
  const states = await Promise.all(running);
  expect(states.map((state) => Number(state.serializedOutput))).toEqual(states.map((_, n) => n));
});
