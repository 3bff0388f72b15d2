import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const MAIN = fileURLToPath(new URL("../../../bench/main.ts", import.meta.url));

export interface BenchRun {
  readonly printed: string;
  /** Its last line. */
  readonly figures: Readonly<Record<string, Record<string, unknown>>>;
}

/** Less than a test may take: a bench that is stopped stops its processes. */
const WITHIN_MS = 200_000;

/** Runs a bench as `npm run bench` does. @throws Error with what it printed, if it failed */
export async function runBench(...args: readonly string[]): Promise<BenchRun> {
  const node = ["--disable-warning=ExperimentalWarning", MAIN, ...args];
  const { stdout: printed } = await run(process.execPath, node, { timeout: WITHIN_MS });
  return { printed, figures: JSON.parse(printed.trimEnd().split("\n").at(-1) ?? "") };
}
