import fc from "fast-check";
import { expect, test } from "vitest";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { type Stack, startTestApi } from "../helpers/stack.ts";
import { play, type Stage, steps } from "./run.ts";

/*
 * Random interleavings of transitions, subscriptions, disconnects, resumes at one of two replicas, hints,
 * stale reads and faults of the scheduler. Whatever happens, C1 to C5 of PROTOCOL.md hold in the record of
 * every subscriber. A failure prints the command that replays it.
 *   MODEL_RUNS  number of runs
 *   SEED, AT    replay: the seed and the path that a failure has printed
 */
const RUNS = Number(process.env.MODEL_RUNS ?? 100);
const SEED = process.env.SEED === undefined ? undefined : Number(process.env.SEED);
const AT = process.env.AT;

/** Runs mostly wait, so several in parallel take little longer than one. */
const STAGES = SEED === undefined ? 4 : 1;
const MS_PER_RUN = 15_000;
const RUNS_PER_REPLICA = 4;
/** Operations that are watched all the time, so that sweeps cost less than single reads. */
const CROWD = 30;

test("C1–C5 hold for every subscriber, whatever happens", {
  timeout: 120_000 + RUNS * MS_PER_RUN,
}, async () => {
  const stages = await Promise.all(Array.from({ length: STAGES }, startStage));
  const seeds = stages.map(() => SEED ?? Math.floor(Math.random() * 2 ** 31));
  const results = await Promise.all(
    stages.map(async (stage, index) =>
      fc.check(
        fc.asyncProperty(steps, async (script) => {
          // Replicas that have read stale pages make no more sweeps, so they are replaced now and then.
          if (stage.runs++ % RUNS_PER_REPLICA === 0) await stage.renew();
          await play(stage, script);
        }),
        {
          seed: seeds[index] as number,
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
    const command = `SEED=${seed} AT=${counterexamplePath} npx vitest run test/model`;
    expect.fail(`${timeline}\n\nReplay with: ${command}`);
  }
  for (const { scheduler, queries } of stages) {
    expect(queries + scheduler.countOf("queryInstances")).toBeGreaterThan(0);
  }
});

/** One scheduler and two replicas, the second of which rotates its streams all the time. */
async function startStage() {
  const scheduler = await ScriptedScheduler.start();
  const crowd = Array.from({ length: CROWD }, (_, index) => `crowd-${index}`);
  for (const id of crowd) scheduler.set(id, instance({ id }));
  const quick = { pollMinMs: 10, pollMaxMs: 25, heartbeatMs: 250, pollReadsPerSecond: 5000 };
  let replicas: Stack[] = [];
  const stage = {
    scheduler,
    runs: 0,
    queries: 0,
    get replicas() {
      return replicas.map(({ url }) => url);
    },
    async renew() {
      await Promise.all(replicas.map((replica) => replica.stopApi()));
      replicas = [
        await startTestApi(scheduler.address, { ...quick, completionCalls: 2 }),
        await startTestApi(scheduler.address, { ...quick, streamMaxAgeMs: 800 }),
      ];
      for (const { url } of replicas) void watch(url, crowd);
    },
  };
  return stage satisfies Stage;
}

/** Follows operations that do nothing until their replica ends. */
async function watch(url: URL, ids: readonly string[]): Promise<void> {
  const events = new URL("/api/events", url);
  for (const id of ids) events.searchParams.append("operation_id", id);
  try {
    for (;;) await (await fetch(events)).arrayBuffer();
  } catch {
    // The replica has stopped.
  }
}
