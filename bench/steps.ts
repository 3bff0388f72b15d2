/**
 * The cost of following the steps of one long operation live: a worker makes the history on the embedded
 * scheduler, and 100 subscribers receive each step.
 */
import { NoOpLogger, TaskHubGrpcClient } from "@microsoft/durabletask-js";
import { Api } from "./support/api.ts";
import { EmbeddedScheduler } from "./support/embedded-scheduler.ts";
import { Load } from "./support/load.ts";
import { type BenchOptions, pause, report, round } from "./support/report.ts";
import { Worker } from "./support/worker.ts";

const FOLLOWERS = 100;
/** Each wave adds about 45 entries to the history. */
const WAVES = { waves: 245, width: 20 };
const QUICK_WAVES = { waves: 10, width: 5 };
const ID = "long";
const DEADLINE_SECONDS = 600;

export async function run(options: BenchOptions): Promise<void> {
  const waves = options.quick ? QUICK_WAVES : WAVES;
  const scheduler = await EmbeddedScheduler.start(":memory:", 1);
  const worker = await Worker.start(scheduler.address, 1);
  const client = new TaskHubGrpcClient({
    hostAddress: scheduler.address,
    logger: new NoOpLogger(),
  });
  const api = await Api.start(scheduler.address, {}, options);
  const load = Load.start(1);

  await client.scheduleNewOrchestration("waves", waves, ID);
  const path = `/api/operations/${ID}/events?detail=steps`;
  await load.connect({ port: api.port, paths: [path], count: FOLLOWERS, kind: "lag" });
  const before = await api.child.usage();
  let peakBytes = before.rssBytes;
  let over = false;
  const watchMemory = async () => {
    while (!over) {
      peakBytes = Math.max(peakBytes, (await api.child.usage()).rssBytes);
      await pause(250);
    }
  };
  const watched = watchMemory();
  const cost = await api.cost("steps", async () => {
    await client.waitForOrchestrationCompletion(ID, false, DEADLINE_SECONDS);
    // The server closes each connection after the last step.
    while ((await load.report()).closed < FOLLOWERS) await pause(100);
  });
  over = true;
  await watched;
  await api.child.collectGarbage();
  const [after, counted] = [await api.child.usage(), await api.counted()];
  const sent = await scheduler.sent();
  const { lags, bytes } = await load.report();
  await client.stop();
  await Promise.all([load.stop(), api.stop(), worker.stop(), scheduler.close()]);
  const steps = lags.step.count / FOLLOWERS;
  const passes = counted("dts_push_reads_total", { rpc: "StreamInstanceHistory" });
  const mib = (of: number) => round(of / 1024 / 1024, 1);
  report(
    "steps",
    options,
    {
      steps: {
        steps_of_the_operation: steps,
        followers: FOLLOWERS,
        seconds: round(cost.seconds, 1),
        steps_delivered: lags.step.count,
        passes,
        history_mib_read: mib(sent.bytes),
        bytes_read_per_step_delivered: round(sent.bytes / lags.step.count, 1),
        bytes_read_per_step_of_history: round(sent.bytes / steps, 0),
        bytes_sent_per_step_delivered: round(bytes / lags.step.count, 0),
        lag_p50_ms: lags.step.p50,
        lag_p99_ms: lags.step.p99,
        lag_max_ms: lags.step.max,
        cpu_percent: cost.cpuPercent,
        cpu_us_per_step_delivered: round((cost.cpuMs * 1000) / lags.step.count, 1),
        rss_mib_before: mib(before.rssBytes),
        rss_mib_peak: mib(peakBytes),
        heap_mib_before: mib(before.heapUsedBytes),
        heap_mib_after_gc: mib(after.heapUsedBytes),
      },
    },
    [],
    [
      "Lag: from the time of a step, which is that of the worker's turn, to its arrival at a client.",
    ],
  );
}
