/** Starts a scheduler on a free port with a file of its own, and removes both when the test ends. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import {
  type RunningScheduler,
  type SchedulerOptions,
  startScheduler,
} from "../../../src/scheduler/scheduler.ts";

export const silentLogger = { debug() {}, info() {}, warn() {}, error() {} };

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "scheduler-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export interface TestScheduler extends RunningScheduler {
  readonly database: string;
}

export async function startTestScheduler(
  options: Partial<SchedulerOptions> = {},
): Promise<TestScheduler> {
  const database = options.database ?? join(await temporaryFolder(), "scheduler.db");
  const running = await startScheduler({ port: 0, logger: silentLogger, ...options, database });
  onTestFinished(() => running.close());
  return { ...running, database };
}
