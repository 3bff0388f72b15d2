/** Runs one bench by name: `npm run bench -- scheduler`. A new bench is one line here. */
import { parseArgs } from "node:util";
import type { BenchOptions } from "./support/report.ts";

interface Bench {
  /** What it measures. */
  readonly about: string;
  /** Its own options, if any. */
  readonly own?: string;
  load(): Promise<{ run(options: BenchOptions): Promise<void> }>;
}

const TURNS = `
  --turns <n>  measure all of them so often, in turns; figures are medians; default 3
`;

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
    about:
      "CPU, lag and memory of fan-out to 1,000 to 10,000 subscribers, beside five other servers",
    own: `
  --turns <n>              measure all of them so often, in turns; figures are medians; default 3
  --subscribers <n>,<n>    only these numbers of subscribers; default 1000,5000,10000
  --only <name>,<name>     only these: dts-push-sse, dts-push-ws, node-http, better-sse, ws, socket.io, nchan-sse, nchan-ws

All of it takes up to 25 minutes.
`,
    load: () => import("./fanout.ts"),
  },
  connect: {
    about:
      "connections a second, and 10,000 that move to another replica at once, beside bare servers",
    own: TURNS,
    load: () => import("./connect.ts"),
  },
  api: {
    about: "requests a second, beside a plain Fastify route and the sample's API in Python",
    own: TURNS,
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

const HELP = `Usage: npm run bench -- <name> [options]

${Object.entries(BENCHES)
  .map(([name, { about }]) => `  ${name.padEnd(10)} ${about}`)
  .join("\n")}

  --quick    go through every part once, in seconds; the figures mean nothing
  --profile  write CPU profiles of the server under measurement to this folder
  --help     what the bench of that name measures, and its own options

Each prints tables, what they were measured on and with, whether each goal was met and, last, one line of JSON.
`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    help: { type: "boolean", short: "h", default: false },
    quick: { type: "boolean", default: false },
    profile: { type: "string" },
    turns: { type: "string", default: "3" },
    only: { type: "string" },
    subscribers: { type: "string" },
  },
});
const [name = ""] = positionals;
const bench = BENCHES[name];
if (values.help) console.log(bench ? helpOf(name, bench) : HELP);
else if (!bench) {
  console.error(HELP);
  process.exitCode = 1;
} else {
  const { run } = await bench.load();
  await run({
    quick: values.quick,
    profileTo: values.profile,
    turns: positive("turns", values.turns),
    only: values.only?.split(","),
    subscribers: values.subscribers?.split(",").map((text) => positive("subscribers", text)),
  });
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`--${option} must be a positive integer, got "${text}"`);
}

function helpOf(name: string, { about, own = "" }: Bench): string {
  return `Usage: npm run bench -- ${name} [--quick] [--profile <folder>]${own && " [options]"}

Measures ${about}.
${own}`;
}
