/** `npm run soak`: the whole system under load and faults, for as long as is wanted. */
import { parseArgs } from "node:util";
import { soak } from "./soak.ts";

const HELP = `Usage: npm run soak -- [--minutes <n>] [--seed <n>] [--clients <n>] [--faults <pattern>] [--busy]

Runs two replicas of the API behind HAProxy, the embedded scheduler on a file, the sample's worker and a foreign one,
each as a process of its own, with clients that come, go, stall and are cut at any byte. Meanwhile processes are killed
and halted, connections to the scheduler are cut and slowed, and their calls and answers overtake each other; clocks jump
by up to an hour (where libfaketime is installed), the scheduler's disk is full (as root), replicas and workers are
restarted one after the other, and a third of the clients have tokens that expire after seconds.

  --minutes  how long faults happen; default 10
  --seed     replays the plan of a run; default: drawn, and printed
  --clients  default 2000
  --faults   a regular expression: only faults whose names, as they are printed, match it
  --busy     other programs use this machine: the API does not refuse requests when it is late
  --help

At the end every operation that was started has its right result; every client saw each terminal state exactly once, no
version that went back, and all steps in order; the heap of the replicas, the worker and the scheduler is as it was; no process ended by itself or wrote
to stderr. Ends with 1 if something of this is not so, and lists it.
`;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1e9)) },
    clients: { type: "string", default: "2000" },
    faults: { type: "string", default: "" },
    busy: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});
const [minutes, seed, clients] = [values.minutes, values.seed, values.clients].map(Number) as [
  number,
  number,
  number,
];
// Ends the processes as well.
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

if (values.help) process.stdout.write(HELP);
else if (!(minutes > 0 && Number.isInteger(seed) && Number.isInteger(clients) && clients > 0)) {
  process.stderr.write(HELP);
  process.exitCode = 2;
} else {
  console.log(`seed ${seed}, ${minutes} minutes, ${clients} clients`);
  const { busy: isShared } = values;
  const faults = new RegExp(values.faults);
  const report = await soak({ seed, minutes, clients, isShared, faults, log: console.log });
  const { problems, ...figures } = report;
  console.log(JSON.stringify(figures, undefined, 2));
  for (const each of problems) console.error(each);
  console.log(problems.length === 0 ? "passed" : `${problems.length} problems`);
  if (problems.length > 0) process.exitCode = 1;
}
