/** What every bench prints, and how it rounds. */
import { readFileSync } from "node:fs";
import { cpus, release, totalmem, type } from "node:os";
import { PINNED } from "./child.ts";

/** What the command line asks of a bench. */
export interface BenchOptions {
  /** A smoke run: every part is gone through, the figures mean nothing. */
  readonly quick: boolean;
  /** Write a CPU profile of the server for each part here. */
  readonly profileTo: string | undefined;
  /** How often what is compared is measured, in turns; of `fanout`, `api` and `connect`. */
  readonly turns: number;
  /** Only these peers; of `fanout`. Default: all that are installed. */
  readonly only: readonly string[] | undefined;
  /** Only these numbers of subscribers; of `fanout`. */
  readonly subscribers: readonly number[] | undefined;
}

export type Row = Record<string, string | number>;

/** A goal of the project and what was reached of it. */
export interface Goal {
  readonly goal: string;
  readonly met: boolean;
}

export type Table = Readonly<Record<string, Row>>;

/** What a bench that compares has to add. */
export interface Compared {
  /** Name and version of each library and program that was measured. */
  readonly versions?: readonly string[];
  /** The rows by title, where one table would be hard to read. */
  readonly tables?: Readonly<Record<string, Table>>;
}

/** Prints a table of the parts, the goals, and last one line of JSON. To be called when all is stopped. */
export function report(
  bench: string,
  options: BenchOptions,
  rows: Table,
  goals: readonly Goal[] = [],
  notes: readonly string[] = [],
  { versions = [], tables }: Compared = {},
): void {
  const others = othersPercent();
  const measuredOn = machine(versions);
  if (tables) {
    for (const [title, table] of Object.entries(tables)) {
      console.log(title);
      console.table(table);
    }
  } else {
    const [only, ...more] = Object.values(rows);
    console.table(more.length > 0 ? rows : only);
  }
  for (const note of notes) console.log(note);
  const { cpu, memory_gib, os, pinned } = measuredOn;
  const cores = pinned ? "server and load on a core of their own" : "processes not pinned";
  console.log(`Measured on ${measuredOn.cpus} × ${cpu}, ${memory_gib} GiB, ${os}; ${cores}.`);
  console.log(`With ${measuredOn.versions.join(", ")}.`);
  console.log(`All else on this machine took ${others} % of a core meanwhile.`);
  if (!options.quick)
    for (const { goal, met } of goals) console.log(`${met ? "met" : "MISSED"}: ${goal}`);
  else console.log("A quick run: the figures mean nothing.");
  console.log(
    JSON.stringify({
      bench,
      at: new Date().toISOString(),
      ...measuredOn,
      others_percent: others,
      ...(options.quick ? { quick: true } : { goals }),
      ...rows,
    }),
  );
}

function machine(versions: readonly string[]) {
  const all = cpus();
  return {
    cpus: all.length,
    cpu: all[0]?.model.trim() || "unknown CPU",
    memory_gib: Math.round(totalmem() / 1024 ** 3),
    os: `${type()} ${release()}`,
    pinned: PINNED,
    versions: [`Node.js ${process.versions.node}`, ...versions],
  };
}

/** Name and installed version of a package. */
export function versionOf(name: string): string {
  const file = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
  const { version } = JSON.parse(readFileSync(file, "utf8")) as { readonly version: string };
  return `${name} ${version}`;
}

/** Of the times in /proc. */
const CLOCK_HZ = 100;
const beganMs = performance.now();
const busyAtStartMs = busyMs();

/** CPU time of the whole machine so far. */
function busyMs(): number {
  return cpus().reduce(
    (sum, { times }) => sum + times.user + times.nice + times.sys + times.irq,
    0,
  );
}

/**
 * How much of one core all else on this machine took during the bench, whose own processes must have
 * ended by now; not a number where it is not known.
 */
function othersPercent(): number {
  const busy = busyMs() - busyAtStartMs;
  const elapsedMs = performance.now() - beganMs;
  try {
    const stat = readFileSync("/proc/self/stat", "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    // User and system time, our own and that of children that have ended.
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    return round(((busy - (ticks * 1000) / CLOCK_HZ) / elapsedMs) * 100, 0);
  } catch {
    return Number.NaN;
  }
}

/** @param share from 0 to 1 */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function round(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}

export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
