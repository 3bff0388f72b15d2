import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const MAIN = fileURLToPath(new URL("../../../bench/main.ts", import.meta.url));

export interface BenchRun {
  readonly printed: string;
  /** Its last line. */
  readonly figures: Readonly<Record<string, Record<string, unknown>>>;
}

/** Runs a bench as `npm run bench` does. @throws Error with what it printed, if it failed */
export async function runBench(...args: readonly string[]): Promise<BenchRun> {
  const printed = await bench(...args);
  return { printed, figures: JSON.parse(printed.trimEnd().split("\n").at(-1) ?? "") };
}

export async function bench(...args: readonly string[]): Promise<string> {
  const node = ["--disable-warning=ExperimentalWarning", MAIN, ...args];
  return (await promisify(execFile)(process.execPath, node)).stdout;
}
