/**
 * What fan-out costs beside other servers that send the same event to all of their clients: CPU of each delivery, lag, the
 * highest rate, and memory of idle connections. Everything of this project is on.
 */
import { DtsPush } from "./peers/dts-push.ts";
import { type Measured, measure, type Plan } from "./peers/measure.ts";
import { Nchan } from "./peers/nchan.ts";
import { NodePeer } from "./peers/node-peer.ts";
import type { PeerKind } from "./peers/peer.ts";
import { Load } from "./support/load.ts";
import type { LoadTransport } from "./support/load-connection.ts";
import { type BenchOptions, type Goal, report, type Table, versionOf } from "./support/report.ts";
import { medians } from "./support/turns.ts";

const ofNode = (name: string, transport: LoadTransport, library?: string): PeerKind => ({
  version: () => (library ? versionOf(library) : ""),
  start: () => NodePeer.start(name, transport),
});
const ofNchan = (transport: "sse" | "ws"): PeerKind => ({
  version: Nchan.version,
  absent: "nginx with Nchan is not installed: apt-get install nginx libnginx-mod-nchan",
  start: () => Nchan.start(transport),
});
const ofDtsPush = (transport: "sse" | "ws"): PeerKind => ({
  version: () => "",
  start: (options) => DtsPush.start(transport, options),
});

const BARE = "node-http";
const PEERS: Readonly<Record<string, PeerKind>> = {
  "dts-push-sse": ofDtsPush("sse"),
  "dts-push-ws": ofDtsPush("ws"),
  [BARE]: ofNode("node-http", "sse"),
  "better-sse": ofNode("better-sse", "sse", "better-sse"),
  ws: ofNode("ws", "ws", "ws"),
  "socket.io": ofNode("socket-io", "socket.io", "socket.io"),
  "nchan-sse": ofNchan("sse"),
  "nchan-ws": ofNchan("ws"),
};

const FULL = {
  rates: [
    { perSecond: 1, seconds: 3 },
    { perSecond: 10, seconds: 2 },
  ],
  tries: 5,
  trySeconds: 1.2,
  settleMs: 700,
};
const QUICK = { rates: [{ perSecond: 10, seconds: 0.3 }], tries: 1, trySeconds: 0.1, settleMs: 10 };

/** What of a part is shown with its spread. */
const SPREAD: Readonly<Record<string, string>> = {
  idle: "kib_per_connection",
  "highest rate": "events_per_second",
};
const CPU = "cpu_us";
const OF_BARE = 0.8;
const KIB_PER_CONNECTION = 12;
/** Goals are for these numbers of subscribers, that of memory for the last. */
const GOALS_AT = [1000, 10_000];

/** By number of subscribers and peer: what was measured in each turn. */
type Results = Map<number, Map<string, Measured[]>>;

export async function run(options: BenchOptions): Promise<void> {
  const { quick, turns } = options;
  const subscribers = options.subscribers ?? (quick ? [50] : [1000, 5000, 10_000]);
  const peers = installed(options.only ?? Object.keys(PEERS));
  const results: Results = new Map();
  const load = Load.start(1);
  for (let turn = 0; turn < (quick ? 1 : turns); turn += 1) {
    for (const count of subscribers) {
      const plan: Plan = { ...(quick ? QUICK : FULL), subscribers: count };
      for (const [name, kind] of peers) {
        const peer = await kind.start(options);
        const measured = await measure(peer, load, plan);
        await peer.stop();
        const ofCount = results.get(count) ?? new Map<string, Measured[]>();
        results.set(count, ofCount.set(name, [...(ofCount.get(name) ?? []), measured]));
      }
      console.log(`turn ${turn + 1}: ${count} subscribers measured`);
    }
  }
  await load.stop();
  const tables = tablesOf(results);
  const rows = Object.entries(tables).flatMap(([title, table]) =>
    Object.entries(table).map(([name, row]) => [`${name}, ${title}`, row] as const),
  );
  const versions = new Set(peers.map(([, kind]) => kind.version() ?? ""));
  report("fanout", options, Object.fromEntries(rows), goalsOf(tables), NOTES, {
    tables,
    versions: [...versions].filter(Boolean),
  });
}

const NOTES = [
  "cpu_us: CPU time of the server for each delivery, publishing included. spread: lowest and highest of the turns, and of_bare: beside node-http in the same turn, of the first figure.",
  "Lag: from the time at which an event was due to its arrival. arrived: of the events of all clients; ours merges states of which a newer one is there. bytes: of each event on the wire.",
  "highest rate: with p99 below 100 ms and 95 % of the events arrived. Where the load takes nearly 100 % of its core it may be the limit.",
  "Published by a timer of the Node servers themselves; by HTTP to Nchan; by a change at the scheduler and a hint to ours.",
];

function installed(names: readonly string[]): (readonly [string, PeerKind])[] {
  return names.flatMap((name) => {
    const kind = PEERS[name];
    if (!kind) throw new Error(`"${name}" is not one of ${Object.keys(PEERS).join(", ")}`);
    if (kind.version() !== undefined) return [[name, kind] as const];
    console.log(`${name}: ${kind.absent}`);
    return [];
  });
}

function tablesOf(results: Results): Record<string, Table> {
  const tables: Record<string, Table> = {};
  for (const [count, ofCount] of results) {
    const parts = new Set([...ofCount.values()].flat().flatMap((turn) => Object.keys(turn)));
    for (const part of parts) {
      const figures = (name: string) => ofCount.get(name)?.map((turn) => turn[part]) ?? [];
      const rows = [...ofCount.keys()].map((name) => [
        name,
        medians(SPREAD[part] ?? CPU, figures(name), figures(BARE)),
      ]);
      tables[`${count} subscribers, ${part}`] = Object.fromEntries(rows);
    }
  }
  return tables;
}

function goalsOf(tables: Readonly<Record<string, Table>>): Goal[] {
  return Object.entries(tables).flatMap(([title, table]) =>
    GOALS_AT.some((count) => title.startsWith(`${count} `))
      ? (["sse", "ws"] as const).flatMap((transport) => goalsOfTable(title, table, transport))
      : [],
  );
}

function goalsOfTable(title: string, table: Table, transport: "sse" | "ws"): Goal[] {
  const figure = (name: string, key: string) => Number(table[name]?.[key] ?? Number.NaN);
  const [ours, nchan] = [`dts-push-${transport}`, `nchan-${transport}`];
  const goal = (what: string, value: number, limit: number): Goal[] => {
    if (Number.isNaN(value) || Number.isNaN(limit)) return []; // was not measured
    return [{ goal: `${ours} to ${title}: ${what} ${limit}: ${value}`, met: value <= limit }];
  };
  if (title.endsWith("idle")) {
    if (!title.startsWith(`${GOALS_AT.at(-1)} `)) return [];
    return goal("KiB per connection at most", figure(ours, SPREAD.idle ?? ""), KIB_PER_CONNECTION);
  }
  if (!title.endsWith("a second")) return [];
  return [
    ...goal("CPU per delivery of that of node-http, at most", figure(ours, "of_bare"), OF_BARE),
    ...goal("CPU per delivery of at most Nchan's", figure(ours, CPU), figure(nchan, CPU)),
  ];
}
