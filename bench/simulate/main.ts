/** `npm run simulate`: what a replica reads of the scheduler, for docs/SIZING.md. */
import { parseArgs } from "node:util";
import { type SimulationOptions, simulate } from "./simulation.ts";

const HELP = `Usage: npm run simulate -- [--operations <n>,<n>] [--replicas <n>,<n>] [--every <s>,<s>] [--seconds <n>] [--seed <n>]

Runs the code that decides when the scheduler is read, with the default settings, under a simulated clock, and prints for
one replica the reads and pages of queries a second and the lag of updates, with hints and without.

  --operations  active operations that clients of the replica watch; default 100,1000,10000
  --replicas    in all; clients of each watch as many other operations of the task hub; default 1
  --every       mean seconds between two changes of one operation; default 1,10,60
  --seconds     simulated time that counts; default 30
  --seed        default 1
`;

const { values } = parseArgs({
  options: {
    operations: { type: "string", default: "100,1000,10000" },
    replicas: { type: "string", default: "1" },
    every: { type: "string", default: "1,10,60" },
    seconds: { type: "string", default: "30" },
    seed: { type: "string", default: "1" },
    help: { type: "boolean", short: "h", default: false },
  },
});
const numbers = (text: string) => text.split(",").map(Number);
const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
const all = [
  ...numbers(values.operations),
  ...numbers(values.replicas),
  ...numbers(values.every),
  seconds,
  seed,
];
if (values.help) process.stdout.write(HELP);
else if (!all.every((each) => each > 0)) {
  process.stderr.write(HELP);
  process.exitCode = 2;
} else {
  console.log(
    "| operations | replicas | a change every | hints | reads/s | pages/s | updates/s | lag p50 | p95 |",
  );
  console.log("|--:|--:|--:|---|--:|--:|--:|--:|--:|");
  for (const operations of numbers(values.operations)) {
    for (const replicas of numbers(values.replicas)) {
      for (const every of numbers(values.every)) {
        for (const hints of [false, true]) {
          const changesEveryMs = every * 1000;
          await printRow({ operations, replicas, changesEveryMs, hints, seconds, seed });
        }
      }
    }
  }
}

async function printRow(options: SimulationOptions): Promise<void> {
  const { operations, replicas, changesEveryMs, hints } = options;
  const { readsPerSecond, pagesPerSecond, ...rest } = await simulate(options);
  const { updatesPerSecond, lagP50Ms, lagP95Ms } = rest;
  const asked = [
    operations.toLocaleString("en"),
    replicas,
    `${changesEveryMs / 1000} s`,
    hints ? "yes" : "no",
  ];
  const found = [readsPerSecond, pagesPerSecond, updatesPerSecond];
  console.log(`| ${[...asked, ...found, `${lagP50Ms} ms`, `${lagP95Ms} ms`].join(" | ")} |`);
}
