/** Requests a second of the API, beside a Fastify route that answers the same bytes. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FastifyRoute } from "./peers/fastify-route.ts";
import { Api } from "./support/api.ts";
import type { Child } from "./support/child.ts";
import { EmbeddedScheduler } from "./support/embedded-scheduler.ts";
import { type HttpFigures, HttpLoad, type HttpRequest } from "./support/http-load.ts";
import { type BenchOptions, type Row, report, round } from "./support/report.ts";
import { TimedScheduler } from "./support/timed-scheduler.ts";

const OPERATIONS = 1000;
const CONNECTIONS = 50;
/** All clients have one address. */
const SETTINGS = { MAX_COMMANDS_PER_MINUTE_PER_CALLER: 0, MAX_EVENT_LOOP_DELAY_MS: 0 };
const STATUS_PER_SECOND = 8000;
const STATUS_OF_1000_PER_SECOND = 3000;
const STARTS_PER_SECOND = 1000;

export async function run(options: BenchOptions): Promise<void> {
  const load = HttpLoad.start(1);
  const seconds = options.quick ? 3 : 10;
  const reads = await measureReads(load, seconds, options);
  const start = await measureStarts(load, seconds, options);
  await load.stop();
  const perSecond = ({ per_second = 0 }: Row = {}) => Number(per_second);
  const [one, many] = [perSecond(reads.status_of_one), perSecond(reads.status_over_1000)];
  const starts = perSecond(start);
  report("api", options, { ...reads, start }, [
    {
      goal: `${STATUS_PER_SECOND} status/s of one operation: ${one}`,
      met: one >= STATUS_PER_SECOND,
    },
    {
      goal: `${STATUS_OF_1000_PER_SECOND} status/s over ${OPERATIONS}: ${many}`,
      met: many >= STATUS_OF_1000_PER_SECOND,
    },
    {
      goal: `${STARTS_PER_SECOND} starts/s on a durable scheduler: ${starts}`,
      met: starts >= STARTS_PER_SECOND,
    },
  ]);
}

async function measureReads(
  load: HttpLoad,
  seconds: number,
  options: BenchOptions,
): Promise<Record<string, Row>> {
  const scheduler = await TimedScheduler.start(1);
  await scheduler.create({ prefix: "op", count: OPERATIONS });
  const api = await Api.start(scheduler.address, SETTINGS, options);
  const { port } = api;
  const one: HttpRequest = { path: "/api/operations/op-0" };
  const answer = await fetch(`http://127.0.0.1:${port}${one.path}`);
  const tag = answer.headers.get("etag") ?? "";
  const plain = await FastifyRoute.start(await answer.text());

  const measure = (requests: readonly HttpRequest[], connections = CONNECTIONS, status = 200) =>
    withCpu(api.child, load.send({ port, requests, connections, seconds, status }));
  const all = Array.from({ length: OPERATIONS }, (_, i) => ({ path: `/api/operations/op-${i}` }));
  const unchanged = { ...one, headers: { "if-none-match": tag } };
  const waiting = { ...one, headers: { "if-none-match": tag, prefer: "wait=1" } };
  const rows = {
    status_of_one: await measure([one]),
    status_over_1000: await measure(all),
    not_modified: await measure([unchanged], CONNECTIONS, 304),
    list_of_100: await measure([{ path: "/api/operations?limit=100" }], 10),
    // Each is answered after a second: as many a second as connections.
    long_poll_of_1s: await measure([waiting], OPERATIONS, 304),
    plain_fastify: await withCpu(
      plain.child,
      load.send({
        port: plain.port,
        requests: [{ path: "/" }],
        connections: CONNECTIONS,
        seconds,
        status: 200,
      }),
    ),
  };
  await Promise.all([plain.stop(), api.stop(), scheduler.stop()]);
  return rows;
}

/** The embedded scheduler on a file, durable; without a worker, whose turns would be measured as well. */
async function measureStarts(load: HttpLoad, seconds: number, options: BenchOptions): Promise<Row> {
  const folder = await mkdtemp(join(tmpdir(), "bench-api-"));
  try {
    const scheduler = await EmbeddedScheduler.start(join(folder, "scheduler.db"), 1);
    const api = await Api.start(scheduler.address, SETTINGS, options);
    const start: HttpRequest = {
      method: "POST",
      path: "/api/start-operation",
      headers: { "content-type": "application/json" },
      body: '{"processing_time":1}',
    };
    const sent = { port: api.port, requests: [start], connections: CONNECTIONS, seconds };
    const row = await withCpu(api.child, load.send({ ...sent, status: 202 }));
    await api.stop();
    await scheduler.close();
    return row;
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** The figures, and what an answer cost the server. */
async function withCpu(server: Child, sending: Promise<HttpFigures>): Promise<Row> {
  const before = await server.usage();
  const beganMs = performance.now();
  const figures = await sending;
  const seconds = (performance.now() - beganMs) / 1000;
  const cpuMs = (await server.usage()).cpuMs - before.cpuMs;
  const answers = figures.per_second * seconds;
  return {
    ...figures,
    cpu_us_per_answer: round((cpuMs * 1000) / answers, 0),
    cpu_percent: round(cpuMs / seconds / 10, 0),
  };
}
