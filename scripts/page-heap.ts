/** `npm run page-heap`: the memory of the page while it shows a busy task hub. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { pino } from "pino";
import { type CDPSession, chromium, type Page } from "playwright-core";
import { readConfig } from "../src/config.ts";
import { startScheduler } from "../src/scheduler/scheduler.ts";
import { startApi, startWorkerRole } from "../src/start.ts";
import { chromiumPath } from "../test/helpers/chromium-program.ts";

const HELP = `Usage: npm run page-heap -- [--minutes <n>] [--rate <n>] [--active <n>]

Runs everything in this process, starts operations without pause, and opens the page in two tabs of a real Chromium: one
shows the list, in the other somebody opens the newest operation and goes back, again and again. Each minute it collects the
garbage of both and prints what is left. At the end it prints how fast that grows: the slope of a line through all minutes
after the first five, in which the page fills its list.

  --minutes  how long it measures; default 60
  --rate     new operations a second; default 20
  --active   operations that run at any time; default 200
`;

/** The list keeps some thousand rows, and Chromium compiles what is often run. */
const WARM_UP_MINUTES = 5;
/** Progress reports of one operation. */
const STEPS = 3;
/** Time for which the visitor reads an operation, and the list. */
const READ_MS = 2000;
const WAIT_MS = 300_000;
const MIB = 1024 * 1024;

/** What a tab has after its garbage was collected. */
interface Sample {
  readonly heapMib: number;
  /** Of the DOM and other objects that are not JavaScript's. */
  readonly embedderMib: number;
  readonly nodes: number;
  readonly listeners: number;
}

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "60" },
    rate: { type: "string", default: "20" },
    active: { type: "string", default: "200" },
    help: { type: "boolean", short: "h", default: false },
  },
});
const [minutes, rate, active] = [values.minutes, values.rate, values.active].map(Number) as [
  number,
  number,
  number,
];
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

if (values.help) process.stdout.write(HELP);
else if (!(minutes >= 1 && rate > 0 && active >= rate)) {
  process.stderr.write(HELP);
  process.exitCode = 2;
} else await run();

async function run(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "dts-push-"));
  process.once("exit", () => rmSync(folder, { recursive: true }));
  const logger = pino({ level: "silent" });
  const database = join(folder, "scheduler.db");
  await using ends = new AsyncDisposableStack();
  const scheduler = await startScheduler({ port: 0, database, logger });
  ends.defer(() => scheduler.close());
  const { address } = scheduler;
  const target = { address, taskHub: "default", authentication: { kind: "none" } } as const;
  const worker = startWorkerRole({ target, graceMs: 1000 }, logger);
  ends.defer(() => worker.close());
  // Other programs may keep the machine busy.
  const settings = { port: 0, graceMs: 100, maxEventLoopDelayMs: 0 };
  const api = await startApi({ ...readConfig({}), ...settings, target }, logger);
  ends.defer(() => api.close());
  const browser = await chromium.launch({ executablePath: await chromiumPath() });
  ends.defer(() => browser.close());

  const url = new URL(api.url);
  const stopped = new AbortController();
  const load = startOperations(url, stopped.signal);
  const context = await browser.newContext();
  context.setDefaultTimeout(WAIT_MS);
  const tabs = { list: await context.newPage(), visitor: await context.newPage() };
  await tabs.list.goto(url.href);
  const visitor = visit(tabs.visitor, url, stopped.signal);
  await Promise.race([measure(tabs), load, visitor]);
  stopped.abort();
  await visitor;
  console.log(`${await load} operations were started.`);
}

/**
 * Starts operations at the rate that was asked for, each of which takes as long as makes so many of them active.
 * @returns how many
 */
async function startOperations(url: URL, signal: AbortSignal): Promise<number> {
  let started = 0;
  const body = JSON.stringify({ processing_time: Math.round(active / rate), steps: STEPS });
  const headers = { "content-type": "application/json" };
  const target = new URL("/api/start-operation", url);
  for (let next = performance.now(); !signal.aborted; next += 1000 / rate) {
    await pause(Math.max(0, next - performance.now()));
    const response = await fetch(target, { method: "POST", headers, body });
    await response.arrayBuffer();
    // A busy machine may refuse some.
    if (response.status === 202) started += 1;
  }
  return started;
}

/** Opens the newest operation, goes back to the list, and so on, without loading the page again. */
async function visit(page: Page, url: URL, signal: AbortSignal): Promise<void> {
  await page.goto(url.href);
  while (!signal.aborted) {
    // By the keyboard: under the mouse the list moves as operations come.
    await page.locator(".rows a").first().press("Enter");
    await page.locator(".operation-head .badge").waitFor();
    await pause(READ_MS);
    await page.getByRole("link", { name: "Operations", exact: true }).first().click();
    await page.locator(".rows a").first().waitFor();
    await pause(READ_MS);
  }
}

async function measure(tabs: Readonly<Record<string, Page>>): Promise<void> {
  const entries = Object.entries(tabs);
  const debuggers = await Promise.all(
    entries.map(async ([name, page]) => [name, await page.context().newCDPSession(page)] as const),
  );
  const samples = new Map<string, Sample[]>(entries.map(([name]) => [name, []]));
  for (const [, each] of debuggers) await each.send("Performance.enable");
  console.log("| minute | tab | heap, MiB | DOM and other objects, MiB | DOM nodes | listeners |");
  console.log("|--:|---|--:|--:|--:|--:|");
  const startMs = performance.now();
  for (let minute = 1; minute <= minutes; minute += 1) {
    await pause(startMs + minute * 60_000 - performance.now());
    for (const [name, each] of debuggers) {
      const sample = await take(each);
      samples.get(name)?.push(sample);
      const { heapMib, embedderMib, nodes, listeners } = sample;
      console.log(
        `| ${minute} | ${name} | ${heapMib.toFixed(2)} | ${embedderMib.toFixed(2)} | ${nodes} | ${listeners} |`,
      );
    }
  }
  console.log();
  for (const [name, all] of samples) {
    const settled = all.slice(all.length > 2 * WARM_UP_MINUTES ? WARM_UP_MINUTES : 0);
    const perHour = (key: keyof Sample) =>
      (60 * slope(settled.map((each) => each[key]))).toFixed(2);
    console.log(
      `${name}: ${perHour("heapMib")} MiB of heap, ${perHour("embedderMib")} MiB of other objects, ${perHour("nodes")} nodes, ${perHour("listeners")} listeners an hour`,
    );
  }
}

async function take(session: CDPSession): Promise<Sample> {
  await session.send("HeapProfiler.collectGarbage");
  const usage = await session.send("Runtime.getHeapUsage");
  const { metrics } = await session.send("Performance.getMetrics");
  const metric = (name: string) => metrics.find((each) => each.name === name)?.value ?? Number.NaN;
  return {
    heapMib: usage.usedSize / MIB,
    embedderMib: usage.embedderHeapUsedSize / MIB,
    nodes: metric("Nodes"),
    listeners: metric("JSEventListeners"),
  };
}

/** Of the line that fits best, for each step from one value to the next. */
function slope(values: readonly number[]): number {
  const middle = (values.length - 1) / 2;
  const mean = values.reduce((sum, each) => sum + each, 0) / values.length;
  let [above, below] = [0, 0];
  values.forEach((value, index) => {
    above += (index - middle) * (value - mean);
    below += (index - middle) ** 2;
  });
  return above / below;
}
