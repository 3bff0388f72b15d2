/**
 * What one delivery costs: one operation that is new at every read, watched by thousands, beside a
 * bare `node:http` server that broadcasts the same bytes, at the same pace and as quickly as it can.
 */
import { Api } from "./support/api.ts";
import type { Child } from "./support/child.ts";
import { Load } from "./support/load.ts";
import { PlainServer } from "./support/plain-server.ts";
import { type BenchOptions, pause, type Row, report, round } from "./support/report.ts";
import { TimedScheduler } from "./support/timed-scheduler.ts";

const SUBSCRIBERS = [1000, 5000, 10_000];
/** As often as the settings allow, however many subscribe. */
const SETTINGS = {
  POLL_MIN_MS: 10,
  POLL_MAX_MS: 10,
  MAX_CONNECTIONS_PER_CALLER: 20_000,
  MAX_SUBSCRIPTIONS_PER_CALLER: 20_000,
  MAX_EVENT_LOOP_DELAY_MS: 0,
};
const EVENTS_PATH = "/api/operations/op-0/events";
const WS_PATH = "/api/ws?operation_id=op-0";
const WARM_UP_MS = 1500;

export async function run(options: BenchOptions): Promise<void> {
  const rows: Record<string, Row> = {};
  for (const count of options.quick ? [200] : SUBSCRIBERS) {
    const ours = await measureOurs("sse", EVENTS_PATH, count, options);
    const ws = await measureOurs("ws", WS_PATH, count, options);
    const everyMs = 1000 / (ours.row.rounds_per_second ?? 1);
    const paced = await measureBare(count, ours.event, everyMs, options);
    const saturated = await measureBare(count, ours.event, 0, options);
    const compared = (row: Figures, beside: Figures): Row => ({
      ...row,
      cpu_us_of_bare: round((row.cpu_us_per_delivery ?? 0) / (beside.cpu_us_per_delivery ?? 0)),
      rate_of_bare: round((row.deliveries_per_second ?? 0) / (beside.deliveries_per_second ?? 0)),
    });
    rows[`sse_${count}`] = compared(ours.row, paced);
    rows[`ws_${count}`] = compared(ws.row, paced);
    rows[`bare_${count}_same_pace`] = paced;
    rows[`bare_${count}_saturated`] = saturated;
  }
  report(
    "fanout",
    options,
    rows,
    [],
    ["cpu_us_of_bare, rate_of_bare: beside bare at the pace of ours over SSE."],
  );
}

type Figures = Partial<Record<string, number>> & Row;

async function measureOurs(
  transport: "sse" | "ws",
  path: string,
  count: number,
  options: BenchOptions,
): Promise<{ row: Figures; event: string }> {
  const scheduler = await TimedScheduler.start(1);
  await scheduler.create({ prefix: "op", count: 1 });
  const api = await Api.start(scheduler.address, SETTINGS, options);
  const load = Load.start(1);
  await load.connect({ port: api.port, paths: [path], count, transport, kind: "count" });
  await scheduler.changeOnRead("op");
  const event = await oneUpdate(api.port);
  await pause(WARM_UP_MS);
  const figures = await measure(api.child, load, options, async (during) => {
    const { counted } = await api.cost(`fanout-${transport}-${count}`, during);
    return counted("dts_push_reads_total");
  });
  await Promise.all([load.stop(), api.stop(), scheduler.stop()]);
  return { row: figures, event };
}

async function measureBare(
  count: number,
  event: string,
  everyMs: number,
  options: BenchOptions,
): Promise<Figures> {
  const plain = await PlainServer.start();
  const load = Load.start(1);
  await load.connect({ port: plain.port, paths: ["/"], count, kind: "count" });
  await plain.broadcast(event, everyMs);
  await pause(WARM_UP_MS);
  const figures = await measure(plain.child, load, options, async (during) => {
    await during();
    return 0;
  });
  await Promise.all([load.stop(), plain.stop()]);
  return figures;
}

/** @param part lets the time pass, and returns the number of rounds, if it knows it */
async function measure(
  server: Child,
  load: Load,
  options: BenchOptions,
  part: (during: () => Promise<void>) => Promise<number>,
): Promise<Figures> {
  const ms = options.quick ? 1000 : 6000;
  await load.reset();
  const beganMs = performance.now();
  const [before, loadBefore] = [await server.usage(), await load.child.usage()];
  const rounds = await part(async () => {
    await pause(ms);
  });
  const [after, loadAfter] = [await server.usage(), await load.child.usage()];
  const seconds = (performance.now() - beganMs) / 1000;
  const { updates } = await load.report();
  const percent = (cpuMs: number) => round(cpuMs / seconds / 10, 0);
  const cpuMs = after.cpuMs - before.cpuMs;
  return {
    deliveries_per_second: round(updates / seconds, 0),
    ...(rounds > 0 && { rounds_per_second: round(rounds / seconds, 1) }),
    cpu_us_per_delivery: round((cpuMs * 1000) / updates, 1),
    server_cpu_percent: percent(cpuMs),
    load_cpu_percent: percent(loadAfter.cpuMs - loadBefore.cpuMs),
  };
}

/** The text of one update, as it is sent. */
async function oneUpdate(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}${EVENTS_PATH}`);
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString();
    const update = text.split(/(?<=\n\n)/).find((event) => event.includes("event: update"));
    if (update?.endsWith("\n\n")) return update;
  }
  throw new Error(`${response.status}, and no update before its end: ${text.slice(-500)}`);
}
