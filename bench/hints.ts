/**
 * What hints gain: real orchestrations with a step a second, watched by one client each, with hints of their
 * worker and without, and at a replica that hints are passed on to.
 */
import { Api } from "./support/api.ts";
import { EmbeddedScheduler } from "./support/embedded-scheduler.ts";
import { type Lags, Load } from "./support/load.ts";
import { type BenchOptions, type Goal, pause, type Row, report, round } from "./support/report.ts";
import { Worker } from "./support/worker.ts";

type Kind = "polling" | "hints" | "passed on";

const PARTS: readonly { readonly operations: number; readonly kind: Kind }[] = [
  { operations: 10, kind: "polling" },
  { operations: 10, kind: "hints" },
  { operations: 10, kind: "passed on" },
  { operations: 500, kind: "polling" },
  { operations: 500, kind: "hints" },
];
const WARM_UP_MS = 5000;
const STARTS_AT_A_TIME = 20;

interface Measured {
  readonly row: Row;
  readonly lags: Lags;
  readonly readsPerUpdate: number;
  readonly readsPerSecond: number;
}

export async function run(options: BenchOptions): Promise<void> {
  const results = new Map<string, Measured>();
  for (const { operations, kind } of options.quick ? PARTS.slice(0, 3) : PARTS) {
    results.set(`${operations} ${kind}`, await measure(operations, kind, options));
  }
  const goals = ["10 hints", "500 hints", "10 passed on"].flatMap((name) => {
    const found = results.get(name);
    if (!found) return [];
    const { lags, readsPerUpdate, readsPerSecond } = found;
    const polled = results.get(name.replace(/hints|passed on/, "polling"))?.readsPerSecond ?? 0;
    const p50 = name.endsWith("passed on") ? 30 : 25;
    return [
      goal(`${name}: p50 at most ${p50} ms`, lags.p50, p50),
      goal(`${name}: p95 at most 150 ms`, lags.p95, 150),
      goal(`${name}: at most 1.2 reads an update`, readsPerUpdate, 1.2),
      goal(`${name}: fewer reads a second than polling, ${polled}`, readsPerSecond, polled),
    ];
  });
  const rows = Object.fromEntries([...results].map(([name, { row }]) => [name, row]));
  report("hints", options, rows, goals, [
    "Real orchestrations on the embedded scheduler, a step a second, one SSE client each.",
  ]);
}

function goal(text: string, value: number, limit: number): Goal {
  return { goal: `${text}: ${value}`, met: value <= limit };
}

async function measure(operations: number, kind: Kind, options: BenchOptions): Promise<Measured> {
  const measuredMs = options.quick ? 3000 : 20_000;
  const steps = Math.ceil((WARM_UP_MS + measuredMs) / 1000) + 20;
  const scheduler = await EmbeddedScheduler.start(":memory:", 1);
  const settings = { MAX_COMMANDS_PER_MINUTE_PER_CALLER: 0, POLL_READS_PER_SECOND: 5000 };
  const watched = await Api.start(scheduler.address, settings, options);
  const other =
    kind === "passed on"
      ? await Api.start(
          scheduler.address,
          { ...settings, HINT_PEERS: `http://127.0.0.1:${watched.port}` },
          options,
        )
      : undefined;
  const hintPort = (other ?? watched).port;
  const hintUrl = kind === "polling" ? undefined : `http://127.0.0.1:${hintPort}`;
  const worker = await Worker.start(scheduler.address, 1, hintUrl);
  await startAll(watched.port, operations, steps);
  const load = Load.start(1);
  const paths = Array.from({ length: operations }, (_, i) => `/api/operations/op-${i}/events`);
  await load.connect({ port: watched.port, paths, count: operations, kind: "lag" });
  await pause(WARM_UP_MS);

  await load.reset();
  const workerBefore = await worker.child.usage();
  const cost = await watched.cost(`hints-${kind}-${operations}`, () => pause(measuredMs));
  const workerCpuMs = (await worker.child.usage()).cpuMs - workerBefore.cpuMs;
  const lags = (await load.report()).lags.update;
  const reads = cost.counted("dts_push_reads_total");
  const readsPerSecond = round(reads / cost.seconds, 1);
  const readsPerUpdate = round(reads / Math.max(1, lags.count), 2);
  const row: Row = {
    updates: lags.count,
    p50: lags.p50,
    p95: lags.p95,
    p99: lags.p99,
    reads_per_second: readsPerSecond,
    reads_per_update: readsPerUpdate,
    backstop_reads: cost.counted("dts_push_backstop_reads_total"),
    api_cpu_percent: cost.cpuPercent,
    worker_cpu_percent: round(workerCpuMs / cost.seconds / 10),
  };
  await Promise.all([load.stop(), worker.stop()]);
  await Promise.all([watched.stop(), other?.stop()]);
  await scheduler.close();
  return { row, lags, readsPerUpdate, readsPerSecond };
}

/** Starts the operations apart, as people do. */
async function startAll(port: number, count: number, steps: number): Promise<void> {
  for (let first = 0; first < count; first += STARTS_AT_A_TIME) {
    const some = Array.from(
      { length: Math.min(STARTS_AT_A_TIME, count - first) },
      (_, i) => i + first,
    );
    await Promise.all(
      some.map((index) =>
        fetch(`http://127.0.0.1:${port}/api/operations`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ name: "ticks", input: steps, operation_id: `op-${index}` }),
        }),
      ),
    );
    await pause(37);
  }
}
