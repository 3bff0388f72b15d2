/** One start of one peer: memory of idle connections, each rate, and the highest rate. */
import type { Load } from "../support/load.ts";
import { pause, round } from "../support/report.ts";
import type { Figures } from "../support/turns.ts";
import type { Peer } from "./peer.ts";

export interface Plan {
  readonly subscribers: number;
  /** Events a second that are measured, and how many seconds each. */
  readonly rates: readonly { readonly perSecond: number; readonly seconds: number }[];
  /** Steps of the search for the highest rate, and how many seconds each. */
  readonly tries: number;
  readonly trySeconds: number;
  /** Before memory is read. */
  readonly settleMs: number;
}

/** Figures by name, of each part: `idle`, `<rate> a second`, `highest rate`. */
export type Measured = Readonly<Record<string, Figures>>;

/** A rate holds while p99 is below this and nearly all events arrive: ours merges states when it is late. */
const P99_BELOW_MS = 100;
const MIN_ARRIVED = 0.95;
const WARM_UP_CONNECTIONS = 300;
/** So many connections read the times of their events. The others only count, which costs the load less. */
const TIMED_CONNECTIONS = 500;

export async function measure(peer: Peer, load: Load, plan: Plan): Promise<Measured> {
  const { subscribers, rates, tries, trySeconds } = plan;
  const measured: Record<string, Figures> = { idle: await connect(peer, load, plan) };
  let best: Figures | undefined;
  let tooHigh = Number.POSITIVE_INFINITY;
  const attempt = async (perSecond: number, seconds: number): Promise<Figures> => {
    const figures = await publish(peer, load, subscribers, perSecond, seconds);
    if (holds(figures)) best = figures;
    else tooHigh = Math.min(tooHigh, perSecond);
    return figures;
  };

  for (const { perSecond, seconds } of rates) {
    const figures = await attempt(perSecond, seconds);
    measured[`${perSecond} a second`] = figures;
    // Twice what its CPU time allows at this rate: some need less for each event the more there are.
    tooHigh = Math.min(tooHigh, 2e6 / (figures.cpu_us ?? 0) / subscribers);
  }
  for (let tried = 0; best && tried < tries; tried += 1) {
    await attempt(Math.sqrt((best.events_per_second ?? 0) * tooHigh), trySeconds);
  }
  // Where none of them holds, there is no such rate.
  if (best) measured["highest rate"] = best;
  await load.disconnect();
  return measured;
}

const holds = ({ p99_ms = 0, arrived = 0 }: Figures) =>
  p99_ms < P99_BELOW_MS && arrived >= MIN_ARRIVED;

/** Connects all, and returns what an idle connection costs. */
async function connect(peer: Peer, load: Load, plan: Plan): Promise<Figures> {
  const { subscribers, settleMs } = plan;
  const settled = async () => {
    await pause(settleMs);
    await peer.collectGarbage();
    return (await peer.usage()).rssBytes;
  };
  await load.connect({ ...peer.clients, count: WARM_UP_CONNECTIONS, kind: "count" });
  await load.disconnect();
  const before = await settled();
  const sampled = Math.max(1, Math.floor(subscribers / TIMED_CONNECTIONS));
  const tookMs = await load.connect({ ...peer.clients, count: subscribers, kind: { sampled } });
  const after = await settled();
  return {
    kib_per_connection: round((after - before) / 1024 / subscribers, 1),
    connects_per_second: round(subscribers / (tookMs / 1000), 0),
  };
}

/** Publishes for so long, and waits until what is to arrive has arrived. */
async function publish(
  peer: Peer,
  load: Load,
  subscribers: number,
  perSecond: number,
  seconds: number,
): Promise<Figures> {
  const rounds = Math.max(3, Math.round(perSecond * seconds));
  await load.reset();
  const [before, loadBefore] = [await peer.usage(), await load.child.usage()];
  const firstDueAtMs = await peer.publish({ perSecond, rounds });
  await load.arrived(rounds * subscribers);
  const [after, loadAfter] = [await peer.usage(), await load.child.usage()];
  const { updates, bytes, lastAtMs, lags, closed } = await load.report();
  if (closed > 0) throw new Error(`${closed} clients were closed at ${perSecond} events a second`);
  if (updates === 0) throw new Error(`Nothing arrived at ${perSecond} events a second`);
  const tookMs = Math.max((rounds * 1000) / perSecond, lastAtMs - firstDueAtMs);
  return {
    events_per_second: round(perSecond, 1),
    cpu_us: round(((after.cpuMs - before.cpuMs) * 1000) / updates, 1),
    deliveries_per_second: round((updates * 1000) / tookMs, 0),
    arrived: round(updates / (rounds * subscribers)),
    p50_ms: lags.update.p50,
    p99_ms: lags.update.p99,
    bytes: round(bytes / updates, 0),
    load_cpu_percent: round((loadAfter.cpuMs - loadBefore.cpuMs) / (tookMs / 100), 0),
  };
}
