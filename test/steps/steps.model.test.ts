import fc from "fast-check";
import { expect, test } from "vitest";
import { sdkClient, startSdkWorker } from "../helpers/sdk.ts";
import { startTestApi, startTestScheduler } from "../helpers/stack.ts";
import { CODE } from "./model/operations.ts";
import { firstParts, moves, play, type Stage } from "./model/run.ts";

/*
 * Random histories, made by a real worker on the embedded scheduler, and clients that connect, stall,
 * disconnect and resume at one of two replicas. In every run, the steps that a client received since
 * its last reset are the stored history of the present execution. A failure prints the command that
 * replays it.
 *   MODEL_RUNS  number of runs
 *   SEED, AT    replay: the seed and the path that a failure has printed
 */
const RUNS = Number(process.env.MODEL_RUNS ?? 60);
const SEED = process.env.SEED === undefined ? undefined : Number(process.env.SEED);
const AT = process.env.AT;

/** Runs mostly wait, so several in parallel take little longer than one. */
const STAGES = SEED === undefined ? 3 : 1;
const MS_PER_RUN = 20_000;

test("every client receives the stored history, with every break announced (STEPS-1 to STEPS-3, C2, C3)", {
  timeout: 120_000 + RUNS * MS_PER_RUN,
}, async () => {
  const stages = await Promise.all(Array.from({ length: STAGES }, startStage));
  const results = await Promise.all(
    stages.map(async (stage) =>
      fc.check(
        fc.asyncProperty(firstParts, moves, (first, script) => play(stage, first, script)),
        {
          seed: SEED ?? Math.floor(Math.random() * 2 ** 31),
          numRuns: AT === undefined ? Math.ceil(RUNS / STAGES) : 1,
          // A failure depends on timing, so it cannot be shrunk.
          endOnFailure: true,
          ...(AT !== undefined && { path: AT }),
        },
      ),
    ),
  );
  for (const { failed, seed, counterexamplePath, errorInstance } of results) {
    if (!failed) continue;
    const timeline = (errorInstance as Error | undefined)?.message ?? "no counterexample";
    const command = `SEED=${seed} AT=${counterexamplePath} npx vitest run test/steps/steps.model`;
    expect.fail(`${timeline}\n\nReplay with: ${command}`);
  }
});

/** A scheduler, a worker and two replicas. The second one rotates its streams every 0.8 s. */
async function startStage(): Promise<Stage> {
  const address = await startTestScheduler();
  await startSdkWorker(address, CODE);
  const quick = { pollMinMs: 10, pollMaxMs: 25, heartbeatMs: 250, pollReadsPerSecond: 5000 };
  const one = await startTestApi(address, { ...quick, completionCalls: 2 });
  const two = await startTestApi(address, { ...quick, streamMaxAgeMs: 800 });
  return { client: sdkClient(address), replicas: [one.url, two.url] };
}
