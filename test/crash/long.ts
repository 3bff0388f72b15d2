/** The long crash test: `npm run test:crash`, or `npm run test:crash -- <seed>` to replay one. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crashRun } from "./crash-run.ts";

const seed = Number(process.argv[2] ?? Math.floor(Math.random() * 1e9));
const folder = await mkdtemp(join(tmpdir(), "crash-"));
console.log(`seed ${seed}, file in ${folder}`);
const report = await crashRun({
  seed,
  instances: 2000,
  kills: 60,
  database: join(folder, "scheduler.db"),
  log: console.log,
});
console.log(JSON.stringify({ seed, ...report }, undefined, 2));
if (report.problems.length > 0)
  process.exitCode = 1; // the file is kept for inspection
else await rm(folder, { recursive: true });
