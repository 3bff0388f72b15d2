/** What every bench prints, and how it rounds. */
import { cpus, loadavg } from "node:os";
import { PINNED } from "./child.ts";

/** What the command line asks of a bench. */
export interface BenchOptions {
  /** A smoke run: every part is gone through, the figures mean nothing. */
  readonly quick: boolean;
  /** Write a CPU profile of the server for each part here. */
  readonly profileTo: string | undefined;
}

export type Row = Record<string, string | number>;

/** A goal of the project and what was reached of it. */
export interface Goal {
  readonly goal: string;
  readonly met: boolean;
}

/** Prints a table of the parts, the goals, and last one line of JSON. */
export function report(
  bench: string,
  options: BenchOptions,
  rows: Readonly<Record<string, Row>>,
  goals: readonly Goal[] = [],
  notes: readonly string[] = [],
): void {
  const machine = { cpus: cpus().length, node: process.version, pinned: PINNED };
  console.table(rows);
  for (const note of notes) console.log(note);
  if (!options.quick)
    for (const { goal, met } of goals) console.log(`${met ? "met" : "MISSED"}: ${goal}`);
  else console.log("A quick run: the figures mean nothing.");
  console.log(
    JSON.stringify({
      bench,
      at: new Date().toISOString(),
      ...machine,
      load_before: loadBefore,
      ...(options.quick ? { quick: true } : { goals }),
      ...rows,
    }),
  );
}

/** The load average of the last minute when the bench began: what others did on this machine. */
const loadBefore = round(loadavg()[0] ?? 0);
if (loadBefore > 0.7) {
  console.log(`The machine is not quiet: its load average is ${loadBefore}.`);
}

/** @param share from 0 to 1 */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function round(value: number, digits = 2): number {
  return Number(value.toFixed(digits));
}

export const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
