/**
 * What clients cost that do not read, and what the others notice of them. On the loopback the kernel
 * takes some megabytes for each connection before the server notices anything, so there are two
 * parts: the pace of an ordinary operation, where the kernel takes it all, and one that fills it.
 */
import { readFile } from "node:fs/promises";
import { Api } from "./support/api.ts";
import { type Lags, Load } from "./support/load.ts";
import { type BenchOptions, pause, type Row, report, round } from "./support/report.ts";
import { TimedScheduler } from "./support/timed-scheduler.ts";

/** Short, so that what is compared is the sending and not the reading. */
const SETTINGS = { POLL_MIN_MS: 20, POLL_MAX_MS: 20 };
const PATHS = ["/api/operations/op-0/events"];
const KIB_EACH = 64;

interface Part {
  readonly healthy: number;
  readonly stalled: number;
  /** Bytes of each update. */
  readonly bytes: number;
  readonly everyMs: number;
}

const ORDINARY = { bytes: 4096, everyMs: 1000 };
const FILLING = { bytes: 64_000, everyMs: 125 };
const PARTS: Readonly<Record<string, Part>> = {
  ordinary_1000_alone: { healthy: 1000, stalled: 0, ...ORDINARY },
  ordinary_2000_healthy: { healthy: 2000, stalled: 0, ...ORDINARY },
  ordinary_1000_and_1000_stalled: { healthy: 1000, stalled: 1000, ...ORDINARY },
  filling_200_alone: { healthy: 200, stalled: 0, ...FILLING },
  filling_400_healthy: { healthy: 400, stalled: 0, ...FILLING },
  filling_200_and_200_stalled: { healthy: 200, stalled: 200, ...FILLING },
};

export async function run(options: BenchOptions): Promise<void> {
  const rows: Record<string, Row> = {};
  const lags = new Map<string, Lags>();
  for (const [name, part] of Object.entries(PARTS)) {
    const measured = await measure(name, part, options);
    rows[name] = measured.row;
    lags.set(name, measured.lags);
  }
  const p99 = (name: string) => lags.get(name)?.p99 ?? Number.NaN;
  const goals = (["ordinary", "filling"] as const).flatMap((pace) => {
    const [alone, all, some] = Object.keys(PARTS).filter((name) => name.startsWith(pace));
    const stalled = PARTS[some ?? ""]?.stalled ?? 0;
    const grownBy = (name = "") => Number(rows[name]?.rss_peak_grown_mib);
    // A server's heap also grows without stalled clients; the rest is caused by them.
    const grown = round(grownBy(some) - grownBy(alone), 1);
    const limit = (stalled * KIB_EACH) / 1024;
    const ratio = round(p99(some ?? "") / p99(alone ?? ""));
    const ratioToAll = round(p99(some ?? "") / p99(all ?? ""));
    return [
      {
        goal: `${pace}: memory grows by at most ${stalled} × ${KIB_EACH} KiB = ${limit} MiB more with stalled ones: ${grown}`,
        met: grown <= limit,
      },
      {
        goal: `${pace}: healthy p99 within 1.5 times that without stalled ones: ${ratio} (${ratioToAll} of that with all healthy)`,
        met: ratio <= 1.5,
      },
    ];
  });
  report("stalled", options, rows, goals, [
    "Lag: from the change to its arrival, with a read every 20 ms. kernel_mib: the TCP memory of the machine.",
  ]);
}

async function measure(name: string, part: Part, options: BenchOptions) {
  const { healthy, stalled, bytes, everyMs } = part;
  const scheduler = await TimedScheduler.start(1);
  await scheduler.create({ prefix: "op", count: 1, padding: bytes - 350 });
  const api = await Api.start(scheduler.address, SETTINGS, options);
  const [load, hanging] = [Load.start(1), Load.start(1)];
  await load.connect({ port: api.port, paths: PATHS, count: healthy, kind: "lag" });
  if (stalled > 0) {
    await hanging.connect({ port: api.port, paths: PATHS, count: stalled, kind: "idle", stalled });
  }
  await pause(2000);
  await api.child.collectGarbage();
  const before = (await api.child.usage()).rssBytes;
  const kernelBefore = await kernelMib();
  await scheduler.change({ prefix: "op", everyMs });
  await pause(1500);
  await load.reset();
  let [peak, kernelPeak] = [before, kernelBefore];
  const seconds = options.quick ? 2 : 24;
  const cost = await api.cost(`stalled-${name}`, async () => {
    for (let second = 0; second < seconds; second += 1) {
      await pause(1000);
      peak = Math.max(peak, (await api.child.usage()).rssBytes);
      kernelPeak = Math.max(kernelPeak, await kernelMib());
    }
  });
  const { lags, closed } = await load.report();
  const mib = (of: number) => round(of / 1024 / 1024, 1);
  const row: Row = {
    healthy,
    stalled,
    updates_per_second: round(lags.update.count / healthy / cost.seconds, 1),
    p50: lags.update.p50,
    p99: lags.update.p99,
    max: lags.update.max,
    rss_grown_mib: mib(cost.usage.rssBytes - before),
    rss_peak_grown_mib: mib(peak - before),
    kernel_mib: round(kernelPeak - kernelBefore, 1),
    cut_as_slow: cost.counted("dts_push_disconnects_total", { reason: "slow" }),
    healthy_closed: closed,
    cpu_percent: cost.cpuPercent,
  };
  await Promise.all([load.stop(), hanging.stop(), api.stop(), scheduler.stop()]);
  return { row, lags: lags.update };
}

/** What the kernel holds for TCP, everywhere on this machine; not a number where it is not known. */
async function kernelMib(): Promise<number> {
  const text = await readFile("/proc/net/sockstat", "utf8").catch(() => "");
  return (Number(/^TCP:.* mem (\d+)/m.exec(text)?.[1]) * 4096) / 1024 / 1024;
}
