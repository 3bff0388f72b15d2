/**
 * `npm run screenshots [name …]`: pictures of each view of the page at three widths, in light and dark, written to
 * docs/images/. Those that the README shows are committed.
 */

import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { type Browser, chromium, type Page } from "playwright-core";
import { readConfig } from "../../src/config.ts";
import { createConnection } from "../../src/dts/connection/connection.ts";
import { startScheduler } from "../../src/scheduler/scheduler.ts";
import { startApi, startWorkerRole } from "../../src/start.ts";
import { createKey } from "../../test/helpers/api-key.ts";
import { chromiumPath } from "../../test/helpers/chromium-program.ts";
import { startDemoWorker } from "./demo-worker.ts";

const FOLDER = fileURLToPath(new URL("../../docs/images/", import.meta.url));
const KEYS = fileURLToPath(new URL("../../.data/screenshots-keys.jsonl", import.meta.url));
const SIZES = [
  { width: 320, height: 640 },
  { width: 1280, height: 800 },
  { width: 2560, height: 1300 },
];
const WAIT_MS = 30_000;

interface View {
  readonly url: URL;
  readonly forcedColors?: "active";
  /** Until it is worth a picture. */
  ready(page: Page): Promise<unknown>;
}

const logger = pino({ level: "silent" });
const closing: (() => Promise<unknown> | unknown)[] = [];

async function startHub(env: NodeJS.ProcessEnv = {}, running?: string) {
  const scheduler = running
    ? undefined
    : await startScheduler({ port: 0, database: ":memory:", logger });
  closing.push(() => scheduler?.close());
  const address = running ?? String(scheduler?.address);
  const target = { address, taskHub: "default", authentication: { kind: "none" } } as const;
  const api = await startApi({ ...readConfig(env), port: 0, graceMs: 100, target }, logger);
  closing.push(() => api.close());
  return { address, target, scheduler, url: new URL(api.url) };
}

async function post(url: URL, body: object): Promise<void> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
}

/** Operations in every state. */
async function fill(url: URL): Promise<void> {
  const items = ["desk lamp", "oak chair", "standing desk", "cable tray", "monitor arm"];
  const start = (operation_id: string, more: object = {}, input: object = {}) =>
    post(new URL("/api/operations", url), {
      name: "ship_order",
      operation_id,
      tags: { region: "eu-north", priority: "standard" },
      input: { items, ...input },
      ...more,
    });
  const later = new Date(Date.now() + 3_600_000).toISOString();
  await start("order-10231");
  await start("order-10232");
  await start("order-10234");
  await start("order-10235-to-stop", {}, { waits: true });
  await start("order-10236-on-hold", {}, { waits: true });
  await start("order-10237", {}, { waits: true });
  await start("order-10233-declined");
  await start("report-2026-11", { name: "monthly_report", tags: { team: "finance" } });
  await start("order-10238-later", { start_at: later });
  await post(new URL("/api/start-operation", url), { processing_time: 600, steps: 900 });
  const settled = async () => {
    const list = await (await fetch(new URL("/api/operations?limit=100", url))).text();
    const waiting = list.split("waiting for the courier").length - 1;
    return waiting === 3 && list.split('"Completed"').length - 1 >= 6 && list.includes('"Failed"');
  };
  const until = Date.now() + WAIT_MS;
  while (!(await settled())) {
    if (Date.now() > until)
      throw new Error("The operations have not come to the states of the pictures.");
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const act = (id: string, verb: string) => post(new URL(`/api/operations/${id}/${verb}`, url), {});
  await act("order-10235-to-stop", "terminate");
  await act("order-10236-on-hold", "suspend");
}

async function take(browser: Browser, name: string, view: View): Promise<void> {
  const { url, ready, forcedColors = "none" } = view;
  for (const viewport of SIZES) {
    for (const colorScheme of ["light", "dark"] as const) {
      const media = { colorScheme, forcedColors, reducedMotion: "reduce" } as const;
      const page = await browser.newPage({ viewport, ...media });
      page.setDefaultTimeout(WAIT_MS);
      await page.goto(url.href);
      await ready(page);
      const path = `${FOLDER}${name}-${viewport.width}-${colorScheme}.png`;
      // Of a long list only what is seen is drawn; the README shows what a person sees.
      const isList = /^(operations|outage)/.test(name);
      const fullPage = !isList && viewport.width !== 1280;
      await page.screenshot({ path, fullPage });
      await page.close();
    }
  }
  console.log(name);
}

/** The list while the scheduler does not answer, which ends what the other pictures need. */
async function takeOutage(
  browser: Browser,
  { url, scheduler }: Awaited<ReturnType<typeof startHub>>,
) {
  const shown = async (page: Page) => {
    await page.getByText("The scheduler does not answer").waitFor();
  };
  const pages = SIZES.flatMap((viewport) =>
    (["light", "dark"] as const).map(async (colorScheme) => {
      const page = await browser.newPage({ viewport, colorScheme, reducedMotion: "reduce" });
      page.setDefaultTimeout(WAIT_MS);
      await page.goto(url.href);
      await page.getByText("order-10231").first().waitFor();
      return { page, path: `${FOLDER}outage-${viewport.width}-${colorScheme}.png` };
    }),
  );
  const opened = await Promise.all(pages);
  await scheduler?.close();
  for (const { page, path } of opened) {
    await shown(page);
    await page.screenshot({ path });
    await page.close();
  }
  console.log("outage");
}

const wanted = process.argv.slice(2);
mkdirSync(FOLDER, { recursive: true });
mkdirSync(fileURLToPath(new URL("../../.data/", import.meta.url)), { recursive: true });
const browser = await chromium.launch({ executablePath: await chromiumPath() });
closing.push(() => browser.close());
try {
  const hub = await startHub();
  const connection = createConnection(hub.target);
  const worker = startDemoWorker(connection, logger);
  const sample = startWorkerRole({ target: hub.target, graceMs: 100 }, logger);
  closing.push(() => Promise.all([worker.stop(), sample.close()]));
  await fill(hub.url);
  const empty = await startHub();
  writeFileSync(KEYS, `${createKey("pictures", "operations:read").line}\n`);
  closing.push(() => rmSync(KEYS));
  const closed = await startHub({ API_KEYS_FILE: KEYS }, hub.address);

  const text = (wantedText: string | RegExp) => (page: Page) =>
    page.getByText(wantedText).first().waitFor();
  const view = (path: string, ready: View["ready"], { url } = hub): View => ({
    url: new URL(path, url),
    ready,
  });
  const operations = view("/", text("order-10231"));
  const failed = view("/operations/order-10233-declined", text("attempt 3"));
  const views: Record<string, View> = {
    operations,
    running: view("/operations/order-10237", text("timer")),
    completed: view("/operations/order-10231", text("parcel")),
    failed,
    start: view("/start", text("The sample")),
    connection: view("/connection", async (page) => {
      await page.getByRole("button", { name: "Measure" }).click();
      await page.getByText("Pushed changes arrived").waitFor();
    }),
    empty: view("/", text("No operation yet"), empty),
    "sign-in": view("/", text("Key or token"), closed),
    dialog: view("/operations/order-10237", async (page) => {
      await page.getByRole("button", { name: "Terminate" }).click();
      await page.getByRole("dialog").waitFor();
    }),
    "operations-forced": { ...operations, forcedColors: "active" },
    "failed-forced": { ...failed, forcedColors: "active" },
  };
  for (const [name, each] of Object.entries(views)) {
    if (wanted.length === 0 || wanted.includes(name)) await take(browser, name, each);
  }
  if (wanted.length === 0 || wanted.includes("outage")) await takeOutage(browser, hub);
} finally {
  for (const close of closing.reverse()) await close();
}
