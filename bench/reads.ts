/**
 * Whether reads of the scheduler grow with subscribers: two servers watch the same operation of the
 * same scheduler over the same time, one for 1 subscriber, the other for 1,000.
 */
import { Api } from "./support/api.ts";
import { Load } from "./support/load.ts";
import { type BenchOptions, pause, type Row, report, round } from "./support/report.ts";
import { TimedScheduler } from "./support/timed-scheduler.ts";

const SUBSCRIBERS = [1, 1000];
const OPERATION = { prefix: "op", count: 1 };
const CHANGE_EVERY_MS = 1000;
/** Short, so that the jitter of single intervals evens out within the time of the bench. */
const SETTINGS = { POLL_MIN_MS: 50 };
const WARM_UP_MS = 3000;

export async function run(options: BenchOptions): Promise<void> {
  const measuredMs = options.quick ? 3000 : 60_000;
  const scheduler = await TimedScheduler.start(1);
  await scheduler.create(OPERATION);
  await scheduler.change({ prefix: OPERATION.prefix, everyMs: CHANGE_EVERY_MS, random: true });
  const load = Load.start(1);
  const apis = await Promise.all(
    SUBSCRIBERS.map(() => Api.start(scheduler.address, SETTINGS, options)),
  );
  for (const [index, { port }] of apis.entries()) {
    const count = SUBSCRIBERS[index] ?? 1;
    await load.connect({ port, paths: ["/api/operations/op-0/events"], count, kind: "count" });
  }
  await pause(WARM_UP_MS);
  const costs = await Promise.all(
    apis.map((api, index) => api.cost(`reads-${SUBSCRIBERS[index]}`, () => pause(measuredMs))),
  );
  await Promise.all([load.stop(), scheduler.stop(), ...apis.map((api) => api.stop())]);
  const reads = costs.map(({ counted }) => counted("dts_push_reads_total"));
  const rows: Record<string, Row> = {};
  for (const [index, { seconds, counted, cpuPercent }] of costs.entries()) {
    rows[`subscribers_${SUBSCRIBERS[index]}`] = {
      reads: reads[index] ?? 0,
      reads_per_second: round((reads[index] ?? 0) / seconds),
      updates_delivered: counted("dts_push_events_total", { type: "update" }),
      cpu_percent: cpuPercent,
    };
  }
  const ratio = round((reads[1] ?? 0) / (reads[0] ?? 0), 3);
  rows.ratio = { reads: ratio };
  const goal = `reads with 1,000 subscribers within 5 % of those with 1: ${ratio}`;
  report("reads", options, rows, [{ goal, met: Math.abs(ratio - 1) <= 0.05 }]);
}
