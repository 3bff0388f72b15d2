/**
 * How long a change takes to reach its viewer: from the scheduler's `last_updated` to its arrival at a
 * client on the same machine, with 1,000 operations, and with a few, watched by one client each.
 */
import { Api } from "./support/api.ts";
import { type Lags, Load } from "./support/load.ts";
import { type BenchOptions, type Goal, pause, type Row, report, round } from "./support/report.ts";
import { TimedScheduler } from "./support/timed-scheduler.ts";

const OPERATIONS = 1000;
/** So few that each is read alone. */
const FEW = 15;
const POLL_MIN_MS = 250;
/** More than 1,000 operations can ask for at 250 ms. */
const AMPLE = 5000;
const DEFAULT = 500;
const WARM_UP_MS = 4000;

/** How operations change, and what the server may read. */
interface Part {
  readonly name: string;
  readonly operations: number;
  readonly everyMs: number;
  readonly random: boolean;
  readonly readsPerSecond: number;
  readonly completionCalls: number;
}

const BASE = {
  operations: OPERATIONS,
  everyMs: 1000,
  random: false,
  readsPerSecond: AMPLE,
  completionCalls: 1000,
};

const PARTS: readonly Part[] = [
  // The sample's own pace: a step a second.
  { ...BASE, name: "every_1s" },
  { ...BASE, name: "random_1s", random: true, completionCalls: 0 },
  { ...BASE, name: "random_5s", random: true, everyMs: 5000 },
  { ...BASE, name: "default_budget", readsPerSecond: DEFAULT, completionCalls: 500 },
  { ...BASE, name: "few_every_1s", operations: FEW },
  { ...BASE, name: "few_random_1s", operations: FEW, random: true },
];

export async function run(options: BenchOptions): Promise<void> {
  const rows: Record<string, Row> = {};
  const results = new Map<string, Record<"update" | "end", Lags>>();
  for (const part of options.quick ? PARTS.slice(0, 1) : PARTS) {
    const { row, lags } = await measure(part, options);
    rows[part.name] = row;
    results.set(part.name, lags);
  }
  const { update, end } = results.get("every_1s") ?? {};
  const goals: Goal[] = [
    goal("p50 of live updates under 170 ms, one a second", update?.p50, 170),
    goal("p99 of live updates under 400 ms, one a second", update?.p99, 400),
    goal("p50 of ends under 50 ms, through the fast wake", end?.p50, 50),
  ];
  report("lag", options, rows, goals, [
    `${OPERATIONS} operations of a scripted scheduler (few: ${FEW}), one SSE client each; POLL_MIN_MS=${POLL_MIN_MS}.`,
  ]);
}

function goal(text: string, ms = Number.NaN, limitMs: number): Goal {
  return { goal: `${text}: ${ms}`, met: ms < limitMs };
}

async function measure(part: Part, options: BenchOptions) {
  const { name, operations, everyMs, random, readsPerSecond, completionCalls } = part;
  const [measuredMs, endsMs] = options.quick ? [2000, 1000] : [15_000, 8000];
  const scheduler = await TimedScheduler.start(1);
  await scheduler.create({ prefix: "op", count: operations });
  const settings = {
    POLL_MIN_MS,
    POLL_READS_PER_SECOND: readsPerSecond,
    COMPLETION_CALLS: completionCalls,
  };
  const api = await Api.start(scheduler.address, settings, options);
  const load = Load.start(1);
  const paths = Array.from({ length: operations }, (_, i) => `/api/operations/op-${i}/events`);
  await load.connect({ port: api.port, paths, count: operations, kind: "lag" });
  await scheduler.change({ prefix: "op", everyMs, random });
  await pause(WARM_UP_MS);

  await load.reset();
  const before = await scheduler.served();
  const cost = await api.cost(`lag-${name}`, () => pause(measuredMs));
  const after = await scheduler.served();
  const { update } = (await load.report()).lags;

  await scheduler.finish("op", endsMs);
  await pause(1500 + (readsPerSecond === DEFAULT ? 5000 : 0));
  const { end } = (await load.report()).lags;

  const row: Row = {
    reads_allowed: readsPerSecond,
    reads_per_second: round(cost.counted("dts_push_reads_total") / cost.seconds, 0),
    pages_per_second: round((after.queryInstances - before.queryInstances) / cost.seconds, 1),
    cpu_percent: cost.cpuPercent,
    changes: after.changes - before.changes,
    updates: update.count,
    p50: update.p50,
    p90: update.p90,
    p99: update.p99,
    max: update.max,
    completion_calls: completionCalls,
    ends: end.count,
    end_p50: end.p50,
    end_p99: end.p99,
  };
  await Promise.all([load.stop(), api.stop(), scheduler.stop()]);
  return { row, lags: { update, end } };
}
