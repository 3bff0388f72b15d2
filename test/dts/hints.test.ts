import { randomUUID } from "node:crypto";
import { NoOpLogger, TaskHubGrpcClient, TaskHubGrpcWorker } from "@microsoft/durabletask-js";
import { expect, onTestFinished, test } from "vitest";
import { hintInterceptor } from "../../src/dts/hints/hint-interceptor.ts";
import { eventually } from "../helpers/deadline.ts";
import { startTestScheduler } from "../helpers/stack.ts";

test("any worker of the SDK sends a hint for each turn that the scheduler has stored", async () => {
  const hostAddress = await startTestScheduler();
  const logger = new NoOpLogger();
  const hinted: string[] = [];
  const worker = new TaskHubGrpcWorker({
    hostAddress,
    logger,
    options: { interceptors: [hintInterceptor((id) => hinted.push(id))] },
  });
  worker.addNamedActivity("echo", (_context: unknown, input: unknown) => input);
  worker.addNamedOrchestrator("two steps", async function* (context) {
    context.setCustomStatus("first");
    yield context.callActivity("echo", 1);
    context.setCustomStatus("second");
    yield context.callActivity("echo", 2);
    return "done";
  });
  await worker.start();
  onTestFinished(() => worker.stop());
  const client = new TaskHubGrpcClient({ hostAddress, logger });
  onTestFinished(() => client.stop());
  const id = randomUUID();
  await client.scheduleNewOrchestration("two steps", undefined, id);
  await client.waitForOrchestrationCompletion(id, undefined, 60);
  await eventually("the hint of the last turn", () => hinted.length === 3);
  expect(hinted).toEqual([id, id, id]);
});
