/** Runs one bench by name: `npm run bench -- scheduler`. A new bench is one line here. */
import { parseArgs } from "node:util";
import type { BenchOptions } from "./support/report.ts";

interface Bench {
  readonly about: string;
  load(): Promise<{ run(options: BenchOptions): Promise<void> }>;
}

const BENCHES: Record<string, Bench> = {
  reads: {
    about: "reads of the scheduler with 1 and with 1,000 subscribers of one operation",
    load: () => import("./reads.ts"),
  },
  lag: {
    about: "delivery lag of live updates and of ends, with 1,000 operations watched",
    load: () => import("./lag.ts"),
  },
  pages: {
    about: "reads and CPU with and without pages of queries in the place of single reads",
    load: () => import("./pages.ts"),
  },
  idle: {
    about: "memory and CPU of 10,000 idle SSE connections, beside a bare node:http server",
    load: () => import("./idle.ts"),
  },
  fanout: {
    about: "CPU of each delivery to 1,000 and more subscribers, beside a bare node:http server",
    load: () => import("./fanout.ts"),
  },
  connect: {
    about: "opening streams: connections a second, and 10,000 that move to another replica at once",
    load: () => import("./connect.ts"),
  },
  api: {
    about: "requests a second: starts, status, lists and long-polls, beside a plain Fastify route",
    load: () => import("./api.ts"),
  },
  stalled: {
    about: "memory, and the lag of the others, where 1,000 of 2,000 clients do not read",
    load: () => import("./stalled.ts"),
  },
  hints: {
    about: "delivery lag, reads and CPU with hints of the worker and without",
    load: () => import("./hints.ts"),
  },
  steps: {
    about: "what 100 followers of the steps of one long operation cost",
    load: () => import("./steps.ts"),
  },
  scheduler: {
    about: "how quick the embedded scheduler is, end to end",
    load: () => import("./scheduler.ts"),
  },
};

const HELP = `Usage: npm run bench -- <name> [--quick] [--profile <folder>]

${Object.entries(BENCHES)
  .map(([name, { about }]) => `  ${name.padEnd(10)} ${about}`)
  .join("\n")}

  --quick    go through every part once, in seconds; the figures mean nothing
  --profile  write CPU profiles of the server under measurement to this folder

Each prints a table and, last, one line of JSON.
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: "boolean", short: "h", default: false },
    quick: { type: "boolean", default: false },
    profile: { type: "string" },
  },
});
const bench = BENCHES[positionals[0] ?? ""];
if (values.help) console.log(HELP);
else if (!bench) {
  console.error(HELP);
  process.exitCode = 1;
} else {
  const { run } = await bench.load();
  await run({ quick: values.quick, profileTo: values.profile });
}
