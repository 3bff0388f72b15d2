/**
 * The clients of a bench, in a process of their own: many connections on bare sockets, which cost
 * less than the server under measurement does.
 */
import { Child, obey } from "./child.ts";
import {
  LoadConnection,
  type LoadKind,
  type LoadTransport,
  type Received,
} from "./load-connection.ts";
import { percentile, round } from "./report.ts";

/** Connections to open. */
export interface Connects {
  readonly port: number;
  /** They are spread over these. */
  readonly paths: readonly string[];
  readonly count: number;
  readonly transport?: LoadTransport;
  /** `sampled`: one connection in so many reads times (`lag`), the others count. */
  readonly kind: LoadKind | { readonly sampled: number };
  /** So many of them stop reading once they are open. */
  readonly stalled?: number;
}

/** Times in milliseconds, from what the event says of its time to its arrival here. */
export interface Lags {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

export interface LoadReport {
  /** Updates that arrived, by all connections. */
  readonly updates: number;
  readonly bytes: number;
  readonly closed: number;
  /** When the last update arrived, in epoch milliseconds. */
  readonly lastAtMs: number;
  /** Of live updates that are not the end, of ends, and of steps. */
  readonly lags: Readonly<Record<"update" | "end" | "step", Lags>>;
}

/** The clients as a bench uses them. */
export class Load {
  readonly child: Child;

  static start(core: number): Load {
    return new Load(Child.start("support/load.ts", { core }));
  }

  private constructor(child: Child) {
    this.child = child;
  }

  /** Opens them and waits for each to be answered. @returns how long that took, in milliseconds */
  connect = (connects: Connects) => this.child.ask<number>("connect", connects);
  /** Forgets what arrived so far. */
  reset = () => this.child.ask<void>("reset");
  /** Waits until so many updates have arrived, or none has for a while. */
  arrived = (count: number) => this.child.ask<void>("arrived", count);
  report = () => this.child.ask<LoadReport>("report");
  disconnect = () => this.child.ask<void>("disconnect");
  /** From now on a connection that the server closes is opened again at this port, at once. */
  moveTo = (port: number) => this.child.ask<void>("moveTo", port);
  /** Waits until so many have been opened again and answered. */
  moved = (count: number) => this.child.ask<void>("moved", count);
  stop = () => this.child.stop();
}

const CONNECTING_AT_ONCE = 100;
/** So long the first update may take, and so long after one there may be another one. */
const FIRST_WITHIN_MS = 60_000;
const NEXT_WITHIN_MS = 500;

const open = new Set<LoadConnection>();
let closed = 0;
let updates = 0;
let bytes = 0;
let lastAtMs = 0;
let lags: Record<"update" | "end" | "step", number[]> = { update: [], end: [], step: [] };

const received: Received = {
  onUpdates(count, length) {
    updates += count;
    bytes += length;
    if (count > 0) lastAtMs = Date.now();
  },
  onLag: (kind, ms) => lags[kind].push(ms),
  onClosed(connection) {
    if (!open.delete(connection)) return;
    closed += 1;
    if (moving.port !== undefined) void move(connection, moving.port);
  },
};

/** Connections that were closed are opened again at `port`. */
const moving: { port: number | undefined; count: number } = { port: undefined, count: 0 };

async function move({ target }: LoadConnection, port: number): Promise<void> {
  const connection = new LoadConnection({ ...target, port }, received);
  open.add(connection);
  // Where it is refused it is closed, and moves again.
  await connection.opened.then(
    () => {
      moving.count += 1;
    },
    () => undefined,
  );
}

async function moved(count: number): Promise<void> {
  while (moving.count < count) await new Promise((resolve) => setTimeout(resolve, 10));
}

async function arrived(count: number): Promise<void> {
  let [sinceMs, before] = [performance.now(), updates];
  while (updates < count) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    if (updates > before) [sinceMs, before] = [performance.now(), updates];
    const withinMs = updates > 0 ? NEXT_WITHIN_MS : FIRST_WITHIN_MS;
    if (performance.now() - sinceMs > withinMs) return;
  }
}

async function connect(connects: Connects): Promise<number> {
  const { port, paths, count, transport = "sse", kind, stalled = 0 } = connects;
  const beganMs = performance.now();
  let next = 0;
  const lane = async () => {
    while (next < count) {
      const index = next;
      next += 1;
      const path = paths[index % paths.length] ?? "/";
      const connection = new LoadConnection(
        { port, path, transport, kind: kindOf(kind, index) },
        received,
      );
      open.add(connection);
      await connection.opened;
      if (index < stalled) connection.stall();
    }
  };
  await Promise.all(Array.from({ length: Math.min(count, CONNECTING_AT_ONCE) }, lane));
  return performance.now() - beganMs;
}

function kindOf(kind: Connects["kind"], index: number): LoadKind {
  if (typeof kind === "string") return kind;
  return index % kind.sampled === 0 ? "lag" : "count";
}

function summary(values: number[]): Lags {
  values.sort((a, b) => a - b);
  const at = (share: number) => round(percentile(values, share), 0);
  return {
    count: values.length,
    p50: at(0.5),
    p90: at(0.9),
    p95: at(0.95),
    p99: at(0.99),
    max: at(1),
  };
}

if (process.argv[1] === import.meta.filename) {
  obey({
    connect,
    reset: () => {
      updates = 0;
      bytes = 0;
      closed = 0;
      lags = { update: [], end: [], step: [] };
    },
    report: (): LoadReport => {
      const { update, end, step } = lags;
      const all = { update: summary(update), end: summary(end), step: summary(step) };
      return { updates, bytes, closed, lastAtMs, lags: all };
    },
    moveTo: (port: number) => {
      moving.port = port;
    },
    moved,
    arrived,
    disconnect: () => {
      for (const connection of open) connection.destroy();
      open.clear();
    },
  });
}
