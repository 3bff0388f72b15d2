/** The wall clock is changed while the scheduler runs. */
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { now } from "../../src/scheduler/clock.ts";
import { COMPLETED } from "../../src/scheduler/protocol/status.ts";
import { complete, createTimer, RawClient, scheduleTask } from "./support/raw-client.ts";
import { silentLogger, startTestScheduler, temporaryFolder } from "./support/scheduler.ts";

const HOUR_MS = 3_600_000;
const wallClock = Date.now;

/** Sets the wall clock of this process, the scheduler's included. */
function setWallClock(byMs: number): void {
  vi.spyOn(Date, "now").mockImplementation(() => wallClock() + byMs);
}

afterEach(() => {
  vi.restoreAllMocks();
});

test("after the wall clock is set back the clock advances at the monotonic rate (DATE-1)", () => {
  const before = now();
  setWallClock(-HOUR_MS);
  const startMs = performance.now();
  const after = now();
  expect(after).toBeGreaterThanOrEqual(before);
  while (performance.now() - startMs < 20);
  expect(now() - after).toBeGreaterThanOrEqual(19);
});

test("timers fire and dates keep their order after the wall clock is set back (DATE-1)", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  const work = client.work();
  const updated = async (id: string) =>
    (await client.state(id))?.getLastupdatedtimestamp()?.toDate().getTime() ?? 0;
  await client.start("a");
  const first = await work.next();
  const startedMs =
    first.getOrchestratorrequest()?.getNeweventsList()[0]?.getTimestamp()?.toDate().getTime() ?? 0;
  await work.completeTurn(first, [createTimer(1, startedMs + 500)]);
  const before = await updated("a");
  setWallClock(-HOUR_MS);
  await client.start("b");
  expect(await updated("b")).toBeGreaterThanOrEqual(before);
  const turns = [await work.next("turn of b"), await work.next("turn after the timer")];
  for (const turn of turns) await work.completeTurn(turn, [complete(2, "1")]);
  expect((await client.state("a"))?.getOrchestrationstatus()).toBe(COMPLETED);
  expect(await updated("a")).toBeGreaterThan(before);
});

test("dates keep their order when the scheduler is started again after the wall clock was set back (DATE-3)", async () => {
  const database = join(await temporaryFolder(), "scheduler.db");
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (_: object, text: string) => void warnings.push(text) };
  const begin = async () => {
    vi.resetModules(); // A new process has a new clock.
    const { startScheduler } = await import("../../src/scheduler/scheduler.ts");
    const running = await startScheduler({ port: 0, database, logger });
    onTestFinished(() => running.close());
    const client = new RawClient(running.address);
    const updated = async (id: string) =>
      (await client.state(id))?.getLastupdatedtimestamp()?.toDate().getTime() ?? 0;
    return { running, client, updated };
  };
  setWallClock(HOUR_MS);
  const first = await begin();
  const work = first.client.work();
  await first.client.start("active");
  await first.client.start("terminal");
  const turns = [await work.next("first turn"), await work.next("second turn")];
  const ofTerminal = turns.find(
    (each) => each.getOrchestratorrequest()?.getInstanceid() === "terminal",
  );
  await work.completeTurn(ofTerminal ?? assert.fail(), [complete(1, "1")]);
  const newest = Math.max(await first.updated("active"), await first.updated("terminal"));
  await first.running.close();
  expect(warnings).toEqual([]);

  setWallClock(0);
  const second = await begin();
  await second.client.start("later");
  expect(await second.updated("later")).toBeGreaterThanOrEqual(newest);
  expect(warnings).toEqual([expect.stringContaining("dates in the future")]);
});

test.each([-HOUR_MS, HOUR_MS])(
  "a lease keeps its length when the wall clock is set by %i ms",
  async (byMs) => {
    const { address } = await startTestScheduler({ turnLeaseMs: 600_000, activityLeaseMs: 200 });
    const client = new RawClient(address);
    const work = client.work();
    await client.start("a");
    await client.start("b");
    const [first, second] = [await work.next(), await work.next("second turn")];
    await work.completeTurn(first, [scheduleTask(1, "step")]);
    await work.next("activity");
    setWallClock(byMs);
    const again = await work.next("activity after its lease has expired");
    expect(again.getActivityrequest()?.getName()).toBe("step");
    await work.completeTurn(second, []); // its lease has not expired
  },
);

test("only the clock reads the wall clock", async () => {
  const folder = new URL("../../src/scheduler/", import.meta.url);
  const files = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith(".ts"));
  const readers: string[] = [];
  for (const file of files) {
    const text = await readFile(new URL(file, folder), "utf8");
    if (/\bDate\.now\b|new Date\(\)/.test(text)) readers.push(file);
  }
  expect(readers.map((file) => file.split("/").at(-1))).toEqual(["clock.ts"]);
});
