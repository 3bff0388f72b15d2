/** What connections cost on which nothing happens but heartbeats, beside a bare `node:http` server. */
import { Api } from "./support/api.ts";
import type { Child } from "./support/child.ts";
import { Load } from "./support/load.ts";
import { PlainServer } from "./support/plain-server.ts";
import { type BenchOptions, pause, type Row, report, round } from "./support/report.ts";
import { TimedScheduler } from "./support/timed-scheduler.ts";

const OPERATIONS = 100;
const HEARTBEAT_MS = 15_000;
const SETTLE_MS = 4000;
/** Opened and closed before anything is measured, so that code and pools are there. */
const WARM_UP_CONNECTIONS = 300;
/** As long as a heartbeat of ours, which has `as_of`. */
const HEARTBEAT =
  'id: 1.0mwths432.0mwths4vs.r0ougl1ddew\nevent: heartbeat\ndata: {"type":"heartbeat","as_of":"2026-11-23T16:40:44.871Z"}\n\n';

const PATHS = Array.from({ length: OPERATIONS }, (_, i) => `/api/operations/op-${i}/events`);

export async function run(options: BenchOptions): Promise<void> {
  const connections = options.quick ? 1000 : 10_000;
  const measuredMs = options.quick ? 2000 : 60_000;

  const scheduler = await TimedScheduler.start(1);
  await scheduler.create({ prefix: "op", count: OPERATIONS });
  const api = await Api.start(scheduler.address, { HEARTBEAT_MS }, options);
  const ours = await measure(
    "ours",
    api,
    connections,
    async () => (await api.cost("idle", () => pause(measuredMs))).cpuPercent,
  );
  await Promise.all([api.stop(), scheduler.stop()]);

  const plain = await PlainServer.start();
  const bare = await measure("bare", plain, connections, async () => {
    await plain.broadcast(HEARTBEAT, HEARTBEAT_MS);
    const before = await plain.child.usage();
    await pause(measuredMs);
    const { cpuMs } = await plain.child.usage();
    await plain.silence();
    return round((cpuMs - before.cpuMs) / (measuredMs / 100));
  });
  await plain.stop();

  const ratio = (key: keyof typeof ours) => round((ours[key] as number) / (bare[key] as number));
  const rows = {
    dts_push: ours,
    bare_node_http: bare,
    ratio: {
      kib_per_connection: ratio("kib_per_connection"),
      cpu_percent: ratio("cpu_percent"),
      connects_per_second: ratio("connects_per_second"),
    },
  };
  const { kib_per_connection: kib, cpu_percent: cpu } = ours;
  report("idle", options, rows as unknown as Record<string, Row>, [
    {
      goal: `under 12 KiB of memory for each of ${connections} connections: ${kib}`,
      met: kib < 12,
    },
    { goal: `under 3 % of one core with 15 s heartbeats: ${cpu}`, met: cpu < 3 },
  ]);
}

/** @param between what happens while the connections are open; its figure is a share of a core */
async function measure(
  name: string,
  { child, port }: { child: Child; port: number },
  count: number,
  between: () => Promise<number>,
) {
  const load = Load.start(1);
  await load.connect({ port, paths: PATHS, count: WARM_UP_CONNECTIONS, kind: "idle" });
  await load.disconnect();
  const before = await settled(child);
  const connectMs = await load.connect({ port, paths: PATHS, count, kind: "idle" });
  const connected = await child.usage();
  const open = await settled(child);
  const cpuPercent = await between();
  const { closed } = await load.report();
  if (closed > WARM_UP_CONNECTIONS) throw new Error(`${name} closed ${closed} connections`);
  const later = await settled(child);
  await load.stop();
  const kibEach = (bytes: number) => round(bytes / 1024 / count, 1);
  return {
    connections: count,
    connects_per_second: round(count / (connectMs / 1000), 0),
    kib_per_connection: kibEach(open.rssBytes - before.rssBytes),
    kib_before_gc: kibEach(connected.rssBytes - before.rssBytes),
    kib_after_the_minute: kibEach(later.rssBytes - before.rssBytes),
    kib_of_heap: kibEach(open.heapUsedBytes - before.heapUsedBytes),
    kib_of_young_generation: kibEach(later.youngBytes - before.youngBytes),
    cpu_percent: cpuPercent,
  };
}

async function settled(child: Child) {
  await pause(SETTLE_MS / 2);
  await child.collectGarbage();
  await pause(SETTLE_MS / 2);
  await child.collectGarbage();
  return child.usage();
}
