/**
 * Throughput and latency of the embedded scheduler on a file with full durability, end to end: client,
 * scheduler and worker are three processes on one machine. Prints a table and one line of JSON.
 */
import { mkdtemp, rm, stat } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { NoOpLogger, TaskHubGrpcClient } from "@microsoft/durabletask-js";
import { Api } from "./support/api.ts";
import type { Child } from "./support/child.ts";
import { EmbeddedScheduler } from "./support/embedded-scheduler.ts";
import { fillWithFinished } from "./support/fill.ts";
import type { BenchOptions } from "./support/report.ts";
import { Worker } from "./support/worker.ts";

const ORCHESTRATIONS = 5000;
const CONCURRENCY = 200;
const WARM_UP = 500;
const CHAIN_LENGTHS = [25, 50, 100, 200];
const FAN_OUT = 1000;
const WAITING = 5000;
const IDLE_SECONDS = 5;
const FINISHED = 1_000_000;
const DEADLINE_SECONDS = 120;

export async function run(options: BenchOptions): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "bench-scheduler-"));
  try {
    const figures = {
      ...(await manySmall(join(folder, "small.db"))),
      ...(await withAndWithoutHints(folder, options)),
      ...(await largeAndIdle(join(folder, "large.db"))),
      ...(await startUp(join(folder, "million.db"))),
    };
    console.table(figures);
    console.log(
      JSON.stringify({
        bench: "scheduler",
        cpus: cpus().length,
        node: process.version,
        ...figures,
      }),
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

type Figures = Record<string, number>;
type RunOne = (name: string, input: number) => Promise<number>;

async function manySmall(database: string): Promise<Figures> {
  const figures = await withWorker(database, small);
  const { size } = await stat(database); // the scheduler is closed, so the log has been copied into it
  const bytes = Math.round(size / (ORCHESTRATIONS + WARM_UP));
  return { ...figures, file_bytes_per_orchestration: bytes };
}

async function small(scheduler: Child, worker: Child, runOne: RunOne): Promise<Figures> {
  await many(WARM_UP, () => runOne("chain", 1));
  return throughput(scheduler, worker, () => runOne("chain", 1));
}

/** Throughput where the worker sends hints to an API that nobody watches, and where it does not, in turns. */
async function withAndWithoutHints(folder: string, options: BenchOptions): Promise<Figures> {
  const figures: Figures = {};
  for (const turn of [1, 2, 3]) {
    for (const kind of ["without", "with"] as const) {
      const database = join(folder, `${kind}-${turn}.db`);
      const { orchestrations_per_second = 0, worker_cpu_ms_per_orchestration = 0 } =
        await withWorker(database, small, kind === "with" ? options : undefined);
      figures[`${kind}_hints_${turn}_per_second`] = orchestrations_per_second;
      figures[`${kind}_hints_${turn}_worker_cpu_ms`] = worker_cpu_ms_per_orchestration;
    }
  }
  return figures;
}

async function largeAndIdle(database: string): Promise<Figures> {
  return withWorker(database, async (scheduler, _worker, runOne, client) => {
    await runOne("chain", CHAIN_LENGTHS[0] ?? 1);
    const figures: Figures = {};
    for (const length of CHAIN_LENGTHS) {
      const before = await cpuMs(scheduler);
      const perActivity = (ms: number) => round(ms / length);
      figures[`chain_of_${length}_ms_per_activity`] = perActivity(await runOne("chain", length));
      figures[`chain_of_${length}_scheduler_cpu_ms_per_activity`] = perActivity(
        (await cpuMs(scheduler)) - before,
      );
    }
    figures[`fan_out_of_${FAN_OUT}_ms`] = round(await runOne("fan-out", FAN_OUT));
    await many(WAITING, async () => {
      await client.scheduleNewOrchestration("wait");
      return 0;
    });
    figures[`idle_cpu_percent_with_${WAITING}_waiting`] = await idleCpu(scheduler);
    return figures;
  });
}

async function withWorker(
  database: string,
  measure: (
    scheduler: Child,
    worker: Child,
    runOne: RunOne,
    client: TaskHubGrpcClient,
  ) => Promise<Figures>,
  hints?: BenchOptions,
): Promise<Figures> {
  const scheduler = await EmbeddedScheduler.start(database);
  const api = hints && (await Api.start(scheduler.address, {}, hints));
  const hintUrl = api && `http://127.0.0.1:${api.port}`;
  const worker = await Worker.start(scheduler.address, undefined, hintUrl);
  const client = new TaskHubGrpcClient({
    hostAddress: scheduler.address,
    logger: new NoOpLogger(),
  });
  const runOne: RunOne = async (name, input) => {
    const started = performance.now();
    const id = await client.scheduleNewOrchestration(name, input);
    const state = await client.waitForOrchestrationCompletion(id, true, DEADLINE_SECONDS);
    if (state?.serializedOutput !== String(input)) {
      throw new Error(`${name} gave ${state?.serializedOutput}`);
    }
    return performance.now() - started;
  };
  try {
    return await measure(scheduler.child, worker.child, runOne, client);
  } finally {
    await worker.stop();
    await api?.stop();
    await client.stop();
    await scheduler.close();
  }
}

async function throughput(
  scheduler: Child,
  worker: Child,
  runOne: () => Promise<number>,
): Promise<Figures> {
  const before = [await cpuMs(scheduler), await cpuMs(worker)] as const;
  const started = performance.now();
  const latencies = (await many(ORCHESTRATIONS, runOne)).sort((a, b) => a - b);
  const seconds = (performance.now() - started) / 1000;
  const percentile = (p: number) => round(latencies[Math.floor(latencies.length * p)] ?? 0);
  return {
    orchestrations_per_second: round(ORCHESTRATIONS / seconds),
    latency_p50_ms: percentile(0.5),
    latency_p95_ms: percentile(0.95),
    latency_p99_ms: percentile(0.99),
    scheduler_cpu_ms_per_orchestration: round(
      ((await cpuMs(scheduler)) - before[0]) / ORCHESTRATIONS,
    ),
    worker_cpu_ms_per_orchestration: round(((await cpuMs(worker)) - before[1]) / ORCHESTRATIONS),
  };
}

/** Runs `count` of them, at most CONCURRENCY at a time. */
async function many(count: number, runOne: () => Promise<number>): Promise<number[]> {
  const results: number[] = [];
  let left = count;
  const lane = async () => {
    while (left > 0) {
      left -= 1;
      results.push(await runOne());
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, lane));
  return results;
}

async function idleCpu(scheduler: Child): Promise<number> {
  await pause(2000); // until garbage collection and the log's checkpoint are done
  const before = await cpuMs(scheduler);
  await pause(IDLE_SECONDS * 1000);
  return round((((await cpuMs(scheduler)) - before) / (IDLE_SECONDS * 1000)) * 100);
}

async function startUp(database: string): Promise<Figures> {
  fillWithFinished(database, FINISHED);
  const started = performance.now();
  const scheduler = await EmbeddedScheduler.start(database);
  const startUpMs = performance.now() - started;
  await scheduler.close();
  return {
    [`start_up_with_${FINISHED}_finished_ms`]: round(startUpMs),
    million_file_megabytes: Math.round((await stat(database)).size / 1e6),
  };
}

const cpuMs = async (child: Child) => (await child.usage()).cpuMs;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const round = (n: number) => Math.round(n * 100) / 100;
