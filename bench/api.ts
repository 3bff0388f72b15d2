/**
 * Requests a second of the API, as quickly as it answers them, beside a Fastify route that answers the same bytes, and beside
 * the Python sample's API.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FastifyRoute } from "./peers/fastify-route.ts";
import type { PeerUsage } from "./peers/peer.ts";
import type { Program } from "./peers/program.ts";
import { findPython, NO_PYTHON, startSample } from "./peers/sample.ts";
import { Api } from "./support/api.ts";
import { EmbeddedScheduler } from "./support/embedded-scheduler.ts";
import { HttpLoad, type HttpRequest, type HttpRequests } from "./support/http-load.ts";
import {
  type BenchOptions,
  type Goal,
  report,
  round,
  type Table,
  versionOf,
} from "./support/report.ts";
import { TimedScheduler } from "./support/timed-scheduler.ts";
import { type Figures, medians } from "./support/turns.ts";

const OPERATIONS = 1000;
const CONNECTIONS = 50;
/** All clients have one address. */
const SETTINGS = { MAX_COMMANDS_PER_MINUTE_PER_CALLER: 0, MAX_EVENT_LOOP_DELAY_MS: 0 };
const GOALS: Readonly<Record<string, number>> = {
  status_of_one: 8000,
  status_over_1000: 3000,
  start: 1000,
};
const BARE = "plain_fastify";
/** Of each part in each turn. A long-poll takes one second. */
const SECONDS = 5;
const QUICK_SECONDS = 1.5;
const NOTES = [
  `spread: lowest and highest of the turns. of_bare: requests a second beside ${BARE} in the same turn.`,
  "start: on the embedded scheduler with a file, durable, without a worker, whose turns would be measured as well.",
  `long_poll_of_1s: ${OPERATIONS} clients that wait a second for a change that does not come: as many answers a second are the most.`,
];

/** Requests to one server, which are measured in each turn. */
interface Part extends Omit<HttpRequests, "seconds"> {
  usage(): Promise<PeerUsage>;
}
type Parts = Readonly<Record<string, Part>>;

export async function run(options: BenchOptions): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "bench-api-"));
  try {
    await runIn(folder, options);
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function runIn(folder: string, options: BenchOptions): Promise<void> {
  const { quick, turns } = options;
  const python = findPython();
  if (!python) console.log(NO_PYTHON);
  const scheduler = await TimedScheduler.start(1);
  const durable = await EmbeddedScheduler.start(join(folder, "scheduler.db"), 1);
  await scheduler.create({ prefix: "op", count: OPERATIONS });
  const api = await Api.start(scheduler.address, SETTINGS, options);
  const starting = await Api.start(durable.address, SETTINGS, options);
  const answer = await fetch(`http://127.0.0.1:${api.port}${STATUS.path}`);
  const plain = await FastifyRoute.start(await answer.text());
  const sample = python && (await startSample(python));
  const parts: Parts = {
    ...partsOf(api, answer.headers.get("etag") ?? ""),
    start: partOf(starting, [START], 202),
    [BARE]: partOf(plain, [{ path: "/" }]),
    ...(sample && (await partsOfSample(sample))),
  };

  const load = HttpLoad.start(1);
  const measured: Record<string, Figures[]> = {};
  for (let turn = 0; turn < (quick ? 1 : turns); turn += 1) {
    for (const [name, part] of Object.entries(parts)) {
      const figures = await measure(load, part, quick ? QUICK_SECONDS : SECONDS);
      measured[name] = [...(measured[name] ?? []), figures];
    }
  }
  await Promise.all([load.stop(), plain.stop(), sample?.stop(), api.stop(), starting.stop()]);
  await Promise.all([scheduler.stop(), durable.close()]);

  const rows = Object.fromEntries(
    Object.entries(measured).map(([name, figures]) => [
      name,
      medians("per_second", figures, measured[BARE] ?? []),
    ]),
  );
  const versions = [versionOf("fastify"), versionOf("autocannon"), python?.versions ?? ""];
  report("api", options, rows, goalsOf(rows), NOTES, { versions: versions.filter(Boolean) });
}

const STATUS: HttpRequest = { path: "/api/operations/op-0" };
const START: HttpRequest = {
  method: "POST",
  path: "/api/start-operation",
  headers: { "content-type": "application/json" },
  body: '{"processing_time":3600}',
};

/** @param tag of the present state of the first operation */
function partsOf(api: Api, tag: string): Parts {
  const all = Array.from({ length: OPERATIONS }, (_, i) => ({ path: `/api/operations/op-${i}` }));
  const unchanged = { ...STATUS, headers: { "if-none-match": tag } };
  const waiting = { ...STATUS, headers: { "if-none-match": tag, prefer: "wait=1" } };
  return {
    status_of_one: partOf(api, [STATUS]),
    status_over_1000: partOf(api, all),
    not_modified: partOf(api, [unchanged], 304),
    list_of_100: partOf(api, [{ path: "/api/operations?limit=100" }], 200, 10),
    long_poll_of_1s: partOf(api, [waiting], 304, OPERATIONS),
  };
}

async function partsOfSample(sample: Program): Promise<Parts> {
  const { method, path, headers, body } = START;
  const url = `http://127.0.0.1:${sample.port}${path}`;
  const started = await fetch(url, { method, headers, body } as RequestInit);
  const { status_url } = (await started.json()) as { readonly status_url: string };
  const of = { usage: () => sample.usage(), port: sample.port, connections: CONNECTIONS };
  return {
    sample_status: { ...of, requests: [{ path: status_url }], status: 200 },
    sample_start: { ...of, requests: [START], status: 200 },
  };
}

function partOf(
  { child, port }: Pick<Api, "child" | "port">,
  requests: readonly HttpRequest[],
  status = 200,
  connections = CONNECTIONS,
): Part {
  return { usage: () => child.usage(), port, requests, status, connections };
}

/** Requests a second and their times, and what an answer cost the server. */
async function measure(load: HttpLoad, part: Part, seconds: number): Promise<Figures> {
  const { usage, ...requests } = part;
  const before = await usage();
  const beganMs = performance.now();
  const figures = await load.send({ ...requests, seconds });
  const tookSeconds = (performance.now() - beganMs) / 1000;
  const cpuMs = (await usage()).cpuMs - before.cpuMs;
  return {
    ...figures,
    cpu_us_per_answer: round((cpuMs * 1000) / Math.max(1, figures.per_second * tookSeconds), 0),
    cpu_percent: round(cpuMs / tookSeconds / 10, 0),
  };
}

function goalsOf(rows: Table): Goal[] {
  return Object.entries(GOALS).map(([name, perSecond]) => {
    const reached = Number(rows[name]?.per_second);
    return { goal: `${name}: ${perSecond} a second: ${reached}`, met: reached >= perSecond };
  });
}
