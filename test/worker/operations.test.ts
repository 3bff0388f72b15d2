import { NoOpLogger, type OrchestrationState, TaskHubGrpcClient } from "@microsoft/durabletask-js";
import { beforeAll, expect, test } from "vitest";
import { startScheduler } from "../../src/scheduler/scheduler.ts";
import { startWorkerRole } from "../../src/start.ts";
import { defaultSteps } from "../../src/worker/orchestrators/async-http-api.ts";
import { type LogLine, startLog } from "../dts/support/log.ts";
import { eventually } from "../helpers/deadline.ts";
import { logger } from "../helpers/stack.ts";

const ORCHESTRATION = "async_http_api_orchestrator";
/** Seconds that an operation of these tests may take. 50 operations one after the other take longer. */
const DEADLINE_S = 20;

const log = startLog("info");
let client: TaskHubGrpcClient;

/** A worker on the embedded scheduler, and the SDK's client as any program would use it. */
beforeAll(async () => {
  const { address, close } = await startScheduler({ port: 0, database: ":memory:", logger });
  const target = { address, taskHub: "default", authentication: { kind: "none" } } as const;
  const worker = startWorkerRole({ target, graceMs: 1000 }, log.logger);
  client = new TaskHubGrpcClient({ hostAddress: address, logger: new NoOpLogger() });
  return async () => {
    await Promise.all([worker.close(), client.stop()]);
    await close();
  };
});

/** Starts an operation as the sample's API does, and returns how it ended. */
async function run(input: unknown, id?: string): Promise<OrchestrationState> {
  return end(await client.scheduleNewOrchestration(ORCHESTRATION, input, id));
}

async function end(id: string): Promise<OrchestrationState> {
  const state = await client.waitForOrchestrationCompletion(id, true, DEADLINE_S);
  if (!state) throw new Error(`There is no ${id}`);
  return state;
}

test("serves the sample's own input and returns the sample's result, key for key", async () => {
  const before = Date.now() / 1000;
  const input = { operation_id: "op-7", processing_time: 1 };
  const state = await run(input, "another-instance-id");
  const result = JSON.parse(state.serializedOutput ?? "null");
  expect(result).toEqual({
    operation_id: "op-7",
    status: "completed",
    result: "Operation op-7 completed successfully",
    processed_at: expect.any(Number),
  });
  expect(Object.keys(result)).toEqual(["operation_id", "status", "result", "processed_at"]);
  expect(result.processed_at).toBeGreaterThanOrEqual(before + 1);
  expect(result.processed_at).toBeLessThanOrEqual(Date.now() / 1000);
});

test("an operation without an id of its own has its instance's", async () => {
  const state = await run({ processing_time: 0 }, "the-instance");
  expect(JSON.parse(state.serializedOutput ?? "null")).toMatchObject({
    operation_id: "the-instance",
  });
});

test("reports each step in the custom status, and takes its processing time for all of them together", async () => {
  const seen: { percent: number; step: number }[] = [];
  const look = (state: OrchestrationState | undefined) => {
    const status = state?.serializedCustomStatus;
    if (status && JSON.stringify(seen.at(-1)) !== status) seen.push(JSON.parse(status));
  };
  const watching = new AbortController();
  const watch = (async () => {
    while (!watching.signal.aborted) {
      look(await client.getOrchestrationState("steps", true));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  })();
  const startedMs = performance.now();
  const state = await run({ processing_time: 1, steps: 3 }, "steps");
  const tookMs = performance.now() - startedMs;
  expect(tookMs).toBeGreaterThanOrEqual(1000);
  watching.abort();
  await watch;
  look(state);
  expect(seen).toEqual([
    { percent: 33, step: 1, steps: 3, message: "step 1 of 3" },
    { percent: 66, step: 2, steps: 3, message: "step 2 of 3" },
    { percent: 100, step: 3, steps: 3, message: "step 3 of 3" },
  ]);
});

test("makes one step a second by default, at least 1", async () => {
  const times = [0, 0.5, 2];
  const states = await Promise.all(times.map((processing_time) => run({ processing_time })));
  for (const [index, steps] of [1, 1, 2].entries()) {
    expect(JSON.parse(states[index]?.serializedCustomStatus ?? "null")).toEqual({
      percent: 100,
      step: steps,
      steps,
      message: `step ${steps} of ${steps}`,
    });
  }
});

test("makes at most ten steps by default", () => {
  expect([9.9, 10, 11, 86_400].map(defaultSteps)).toEqual([9, 10, 10, 10]);
});

test("invalid input fails the operation, and the error says what is valid", async () => {
  for (const [input, message] of [
    [undefined, /processing_time must be a number of seconds from 0 to 86400/],
    [{}, /processing_time must be/],
    ["5", /processing_time must be/],
    [{ processing_time: -1 }, /processing_time must be/],
    [{ processing_time: 86_401 }, /processing_time must be/],
    [{ processing_time: "5" }, /processing_time must be/],
    [{ processing_time: null }, /processing_time must be/],
    [{ processing_time: 1, steps: 0 }, /steps must be an integer from 1 to 1000/],
    [{ processing_time: 1, steps: 1001 }, /steps must be/],
    [{ processing_time: 1, steps: 2.5 }, /steps must be/],
    [{ processing_time: 1, steps: "2" }, /steps must be/],
  ] as const) {
    const state = await run(input);
    const what = JSON.stringify(input);
    expect(state.runtimeStatus, what).toBe(3);
    expect(state.failureDetails?.message, what).toMatch(message);
  }
});

test("an id that is null is the instance's", async () => {
  const state = await run({ processing_time: 0, operation_id: null }, "given");
  expect(JSON.parse(state.serializedOutput ?? "null")).toMatchObject({ operation_id: "given" });
});

test("50 operations run at once, and each is logged once at start and end", async () => {
  const before = log.lines.length;
  const ids = await Promise.all(
    Array.from({ length: 50 }, () =>
      client.scheduleNewOrchestration(ORCHESTRATION, { processing_time: 1, steps: 4 }),
    ),
  );
  const states = await Promise.all(ids.map(end));
  expect(new Set(states.map(({ runtimeStatus }) => runtimeStatus))).toEqual(new Set([1]));

  const linesOf = (message: string): LogLine[] =>
    log.lines.slice(before).filter(({ msg }) => msg === message);
  await eventually("a line at the end of each", () => linesOf("operation completed").length === 50);
  for (const message of ["operation started", "operation completed"]) {
    expect(
      linesOf(message)
        .map(({ operationId }) => operationId)
        .sort(),
    ).toEqual([...ids].sort());
  }
  expect(log.lines.slice(before)).toHaveLength(100);
});
