/**
 * What pages of queries save: the same operations, watched with the same demand, with and without
 * pages; and what they cost where most of the listed operations are not watched.
 */
import { Api } from "./support/api.ts";
import { Load } from "./support/load.ts";
import { type BenchOptions, pause, type Row, report, round } from "./support/report.ts";
import { TimedScheduler } from "./support/timed-scheduler.ts";

const OPERATIONS = 1000;
const CHANGE_EVERY_MS = 1000;
const WARM_UP_MS = 4000;
/** Reads per second: far below what is asked for, near it, and more than one core can make. */
const BUDGETS = [200, 500, 2000, 5000];
const DEFAULT_BUDGET = 500;
/** Operations that are not watched, a hundred between each two of the others. */
const STRANGERS = 100_000;

export async function run(options: BenchOptions): Promise<void> {
  const rows: Record<string, Row> = {};
  const budgets = options.quick ? BUDGETS.slice(1, 2) : BUDGETS;
  for (const budget of budgets) {
    for (const pages of [false, true]) {
      rows[`${pages ? "with" : "without"}_${budget}`] = await measure(budget, pages, 0, options);
    }
  }
  rows.among_strangers = await measure(DEFAULT_BUDGET, true, STRANGERS, options);
  report(
    "pages",
    options,
    rows,
    [],
    [
      `${OPERATIONS} operations, each changing once a second; the number in a row's name is its budget.`,
      `among_strangers: with a budget of ${DEFAULT_BUDGET}, and ${STRANGERS} others that are not watched.`,
    ],
  );
}

async function measure(
  budget: number,
  pages: boolean,
  strangers: number,
  options: BenchOptions,
): Promise<Row> {
  const scheduler = await TimedScheduler.start(1);
  await scheduler.create({ prefix: "op", count: OPERATIONS });
  await scheduler.create({ prefix: "stranger", count: strangers, overMs: OPERATIONS });
  await scheduler.change({ prefix: "op", everyMs: CHANGE_EVERY_MS });
  const settings = {
    POLL_READS_PER_SECOND: budget,
    POLL_PAGE_SIZE: pages ? 500 : 0,
    COMPLETION_CALLS: 0,
  };
  const api = await Api.start(scheduler.address, settings, options);
  const load = Load.start(1);
  const paths = Array.from({ length: OPERATIONS }, (_, i) => `/api/operations/op-${i}/events`);
  await load.connect({ port: api.port, paths, count: OPERATIONS, kind: "lag" });
  await pause(WARM_UP_MS);
  await load.reset();
  const before = await scheduler.served();
  const cost = await api.cost(`pages-${pages}-${budget}-${strangers}`, () =>
    pause(options.quick ? 2000 : 12_000),
  );
  const after = await scheduler.served();
  const { lags } = await load.report();
  const perSecond = (count: number) => round(count / cost.seconds, 0);
  const row = {
    reads_per_second: perSecond(cost.counted("dts_push_reads_total")),
    single: perSecond(after.getInstance - before.getInstance),
    pages: perSecond(after.queryInstances - before.queryInstances),
    changes_per_second: perSecond(after.changes - before.changes),
    updates_per_second: perSecond(lags.update.count),
    lag_p50: lags.update.p50,
    lag_p99: lags.update.p99,
    cpu_percent: cost.cpuPercent,
    cpu_ms_per_update: round(cost.cpuMs / lags.update.count, 3),
  };
  await Promise.all([load.stop(), api.stop(), scheduler.stop()]);
  return row;
}
