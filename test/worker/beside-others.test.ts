import {
  NoOpLogger,
  type OrchestrationContext,
  type OrchestrationState,
  TaskHubGrpcClient,
  TaskHubGrpcWorker,
} from "@microsoft/durabletask-js";
import { expect, onTestFinished, test } from "vitest";
import { startTestScheduler, startTestWorker } from "../helpers/stack.ts";

const DEADLINE_S = 20;
const EACH = 20;

test("the sample's worker does not take the work of other workers on its task hub", async () => {
  const hostAddress = await startTestScheduler();
  const logger = new NoOpLogger();
  const client = new TaskHubGrpcClient({ hostAddress, logger });
  const foreign = new TaskHubGrpcWorker({ hostAddress, logger, workItemFilters: "auto" });
  foreign.addNamedActivity("double", (_context: unknown, input: number) => input * 2);
  // biome-ignore lint/suspicious/noExplicitAny: the SDK's own type does not fit what it runs.
  const theirs: any = async function* (
    context: OrchestrationContext,
    input: number,
  ): AsyncGenerator {
    return yield context.callActivity("double", input);
  };
  foreign.addNamedOrchestrator("theirs", theirs);
  await foreign.start();
  startTestWorker(hostAddress);
  onTestFinished(async () => {
    await Promise.all([foreign.stop(), client.stop()]);
  });

  const results = async (name: string, input: unknown): Promise<(string | undefined)[]> => {
    const ids = await Promise.all(
      Array.from({ length: EACH }, () => client.scheduleNewOrchestration(name, input)),
    );
    const ends = ids.map((id) => client.waitForOrchestrationCompletion(id, true, DEADLINE_S));
    const states = (await Promise.all(ends)) as OrchestrationState[];
    return states.map(
      ({ serializedOutput, failureDetails }) => failureDetails?.message ?? serializedOutput,
    );
  };
  const [theirResults, ourResults] = await Promise.all([
    results("theirs", 21),
    results("async_http_api_orchestrator", { processing_time: 0 }),
  ]);
  expect(theirResults).toEqual(Array(EACH).fill("42"));
  expect(ourResults.filter((result) => !result?.includes('"completed"'))).toEqual([]);
});
