/** What it costs to open streams: all at once, and as a storm after one of two replicas drains. */
import { Api } from "./support/api.ts";
import { Load } from "./support/load.ts";
import { PlainServer } from "./support/plain-server.ts";
import { type BenchOptions, pause, type Row, report, round } from "./support/report.ts";
import { TimedScheduler } from "./support/timed-scheduler.ts";

const OPERATIONS = 100;
const PATHS = Array.from({ length: OPERATIONS }, (_, i) => `/api/operations/op-${i}/events`);
const SETTINGS = {
  MAX_CONNECTIONS_PER_CALLER: 20_000,
  MAX_SUBSCRIPTIONS_PER_CALLER: 20_000,
  MAX_EVENT_LOOP_DELAY_MS: 0,
};
/** Opened and closed before anything is measured. */
const WARM_UP = 300;

export async function run(options: BenchOptions): Promise<void> {
  const count = options.quick ? 500 : 10_000;
  const scheduler = await TimedScheduler.start(1);
  await scheduler.create({ prefix: "op", count: OPERATIONS });
  const rows: Record<string, Row> = {};
  for (const transport of ["sse", "ws"] as const) {
    const path = (at: string) =>
      transport === "sse" ? at : `/api/ws?operation_id=${at.split("/")[3]}`;
    const paths = PATHS.map(path);
    const api = await Api.start(scheduler.address, SETTINGS, options);
    rows[`${transport}_${count}`] = await connect(api, { paths, count, transport });
    rows[`${transport}_storm_of_${count}`] = await storm(scheduler.address, options, {
      paths,
      count,
      transport,
    });
    await api.stop();
  }
  const plain = await PlainServer.start();
  rows[`bare_node_http_${count}`] = await connect(plain, { paths: ["/"], count, transport: "sse" });
  await Promise.all([plain.stop(), scheduler.stop()]);
  report(
    "connect",
    options,
    rows,
    [],
    ["storm: from SIGTERM of a replica until all of its clients are connected to another one."],
  );
}

interface Connections {
  readonly paths: readonly string[];
  readonly count: number;
  readonly transport: "sse" | "ws";
}

/** Opens so many, a hundred at a time, each as soon as another one is answered. */
async function connect(
  { child, port }: Pick<Api, "child" | "port">,
  { paths, count, transport }: Connections,
): Promise<Row> {
  const load = Load.start(1);
  const connects = { port, paths, transport, kind: "idle" as const };
  await load.connect({ ...connects, count: WARM_UP });
  await load.disconnect();
  await pause(500);
  const before = await child.usage();
  const tookMs = await load.connect({ ...connects, count });
  const cpuMs = (await child.usage()).cpuMs - before.cpuMs;
  await load.stop();
  return {
    connections_per_second: round(count / (tookMs / 1000), 0),
    cpu_us_per_connection: round((cpuMs * 1000) / count, 0),
    seconds: round(tookMs / 1000, 1),
  };
}

/** All clients of a replica that drains connect to the one that stays, at once. Ours wait as `bye` says. */
async function storm(
  schedulerAddress: string,
  options: BenchOptions,
  { paths, count, transport }: Connections,
): Promise<Row> {
  const env = { ...SETTINGS, DRAIN_DELAY_MS: 0, GRACE_MS: 30_000 };
  const leaves = await Api.start(schedulerAddress, env, options);
  const stays = await Api.start(schedulerAddress, env, options);
  const load = Load.start(1);
  const connects = { paths, count, transport, kind: "idle" as const };
  await load.connect({ ...connects, port: leaves.port });
  const before = await stays.child.usage();
  const beganMs = performance.now();
  await load.moveTo(stays.port);
  const ended = leaves.child.stop("SIGTERM");
  await load.moved(count);
  const seconds = (performance.now() - beganMs) / 1000;
  const cpuMs = (await stays.child.usage()).cpuMs - before.cpuMs;
  await ended;
  await Promise.all([load.stop(), stays.stop()]);
  return {
    connections_per_second: round(count / seconds, 0),
    cpu_us_per_connection: round((cpuMs * 1000) / count, 0),
    seconds: round(seconds, 1),
    cpu_percent: round(cpuMs / seconds / 10, 0),
  };
}
