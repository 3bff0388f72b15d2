/**
 * What it costs to open streams: all at once, and as a storm when one of two replicas shuts down. Beside it the same of a bare
 * `node:http` server and of `ws`.
 */
import { NodePeer } from "./peers/node-peer.ts";
import { Api } from "./support/api.ts";
import type { Child } from "./support/child.ts";
import { type Connects, Load } from "./support/load.ts";
import { type BenchOptions, pause, report, round, versionOf } from "./support/report.ts";
import { TimedScheduler } from "./support/timed-scheduler.ts";
import { type Figures, medians } from "./support/turns.ts";

const OPERATIONS = 100;
/** One of two replicas drains at once. */
const SETTINGS = {
  MAX_CONNECTIONS_PER_CALLER: 20_000,
  MAX_SUBSCRIPTIONS_PER_CALLER: 20_000,
  MAX_EVENT_LOOP_DELAY_MS: 0,
  DRAIN_DELAY_MS: 0,
  GRACE_MS: 30_000,
};
/** Opened and closed before anything is measured. */
const WARM_UP = 300;
const FIRST = "connections_per_second";
const NOTES = [
  `spread: lowest and highest of the turns. of_bare: ${FIRST} beside node-http, or ws, in the same turn.`,
  "storm: from SIGTERM of a replica until all of its clients are connected to another one. Ours drains, the others close all at once.",
];

interface Replica {
  readonly child: Child;
  readonly clients: Pick<Connects, "port" | "transport" | "paths">;
}

/** What is opened, and the server that it is compared with. */
interface Subject {
  readonly bare: string;
  start(): Promise<Replica>;
}

export async function run(options: BenchOptions): Promise<void> {
  const count = options.quick ? 500 : 10_000;
  const scheduler = await TimedScheduler.start(1);
  await scheduler.create({ prefix: "op", count: OPERATIONS });
  const subjects = subjectsOf(scheduler.address, options);
  const connected = new Map<string, Figures[]>();
  const moved = new Map<string, Figures[]>();
  for (let turn = 0; turn < (options.quick ? 1 : options.turns); turn += 1) {
    for (const [name, { start }] of subjects) {
      connected.set(name, [...(connected.get(name) ?? []), await connect(start, count)]);
      moved.set(name, [...(moved.get(name) ?? []), await storm(start, count)]);
    }
  }
  await scheduler.stop();
  const table = (measured: Map<string, Figures[]>) =>
    Object.fromEntries(
      [...subjects].map(([name, { bare }]) => [
        name,
        medians(FIRST, measured.get(name) ?? [], measured.get(bare) ?? []),
      ]),
    );
  const tables = {
    [`${count} connections`]: table(connected),
    [`storm of ${count}`]: table(moved),
  };
  const rows = Object.entries(tables).flatMap(([title, byName]) =>
    Object.entries(byName).map(([name, row]) => [`${name}, ${title}`, row] as const),
  );
  report("connect", options, Object.fromEntries(rows), [], NOTES, {
    tables,
    versions: [versionOf("ws")],
  });
}

function subjectsOf(schedulerAddress: string, options: BenchOptions): Map<string, Subject> {
  const ours = (transport: "sse" | "ws", path: (id: string) => string) => async () => {
    const { child, port } = await Api.start(schedulerAddress, SETTINGS, options);
    const paths = Array.from({ length: OPERATIONS }, (_, i) => path(`op-${i}`));
    return { child, clients: { port, transport, paths } };
  };
  return new Map<string, Subject>([
    [
      "dts-push-sse",
      { bare: "node-http", start: ours("sse", (id) => `/api/operations/${id}/events`) },
    ],
    ["dts-push-ws", { bare: "ws", start: ours("ws", (id) => `/api/ws?operation_id=${id}`) }],
    ["node-http", { bare: "node-http", start: () => NodePeer.start("node-http", "sse") }],
    ["ws", { bare: "ws", start: () => NodePeer.start("ws", "ws") }],
  ]);
}

/** Opens so many, a hundred at a time, each as soon as another one is answered. */
async function connect(start: Subject["start"], count: number): Promise<Figures> {
  const { child, clients } = await start();
  const load = Load.start(1);
  await load.connect({ ...clients, count: WARM_UP, kind: "idle" });
  await load.disconnect();
  await pause(500);
  const before = await child.usage();
  const tookMs = await load.connect({ ...clients, count, kind: "idle" });
  const cpuMs = (await child.usage()).cpuMs - before.cpuMs;
  await Promise.all([load.stop(), child.stop()]);
  return figuresOf(count, tookMs, cpuMs);
}

/** All clients of a replica that shuts down connect to the one that stays as soon as they are closed. */
async function storm(start: Subject["start"], count: number): Promise<Figures> {
  const [leaves, stays] = [await start(), await start()];
  const load = Load.start(1);
  await load.connect({ ...leaves.clients, count, kind: "idle" });
  const before = await stays.child.usage();
  const beganMs = performance.now();
  await load.moveTo(stays.clients.port);
  const ended = leaves.child.stop("SIGTERM");
  await load.moved(count);
  const tookMs = performance.now() - beganMs;
  const cpuMs = (await stays.child.usage()).cpuMs - before.cpuMs;
  await ended;
  await Promise.all([load.stop(), stays.child.stop()]);
  return figuresOf(count, tookMs, cpuMs);
}

function figuresOf(count: number, tookMs: number, cpuMs: number): Figures {
  return {
    [FIRST]: round(count / (tookMs / 1000), 0),
    cpu_us_per_connection: round((cpuMs * 1000) / count, 0),
    seconds: round(tookMs / 1000, 1),
    cpu_percent: round(cpuMs / (tookMs / 100), 0),
  };
}
