import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { crashRun } from "./crash-run.ts";

const seed = Number(process.env.CRASH_SEED ?? Math.floor(Math.random() * 1e9));

test(`kill -9 of scheduler or worker loses nothing and duplicates nothing (CRASH_SEED=${seed})`, async () => {
  const folder = await mkdtemp(join(tmpdir(), "crash-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const database = join(folder, "scheduler.db");
  const report = await crashRun({ seed, instances: 300, kills: 8, database, log() {} });
  expect(report.problems.join("\n")).toBe("");
}, 900_000); // a busy machine takes minutes; the run itself waits for progress only
