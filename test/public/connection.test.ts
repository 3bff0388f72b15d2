import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished, test } from "vitest";
import { startScheduler } from "../../src/scheduler/scheduler.ts";
import { useChromium } from "../helpers/chromium.ts";
import { eventually } from "../helpers/deadline.ts";
import { logger, startStack, startTestApi, startTestWorker } from "../helpers/stack.ts";
import { startFaultyRelay } from "./faulty-relay.ts";
import { PageDriver } from "./page-driver.ts";

const openBrowser = useChromium();

/** Of an operation that stays active. */
const LONG = { processing_time: 1000, steps: 10 };

/** What the page says of an outage at one moment. */
interface Outage {
  readonly asOf: string;
  readonly text: string;
  readonly timeText: string;
  readonly took: string;
}
const OUTAGE = `(() => {
  const { dateTime: asOf, textContent: text } = document.querySelector("#indicator time");
  const timeText = "since " + new Date(asOf).toTimeString().slice(0, 8);
  return { asOf, text, timeText, took: document.querySelector(".rows .took").textContent };
})()`;

async function openPage(url: URL, path = "") {
  const { page } = await openBrowser();
  return PageDriver.open(page, url, path);
}

test("shows an outage of the API, and what changed meanwhile when it is over", async () => {
  const stack = await startStack();
  const id = await stack.startOperation(LONG);
  const list = await openPage(stack.url);
  await list.rowShows(id, "Running");
  await list.connection("Live");

  await stack.stopApi();
  await list.connection("Not connected");
  await list.page.getByRole("button", { name: "Try now" }).click();
  await stack.terminate(id);
  await stack.startApi();
  await list.rowShows(id, "Terminated");
  await list.connection("Live");
});

test("shows how old the state of an operation is before the first heartbeat", async () => {
  const stack = await startStack({ heartbeatMs: 3_600_000 });
  const id = await stack.startOperation(LONG);
  const { page } = await openPage(stack.url, `/operations/${id}`);
  await page.getByText(/as of \d+ s ago/).waitFor();
});

test("resumes a stream that was cut, and one that is silent", async () => {
  const stack = await startStack({ heartbeatMs: 1_000 });
  const relay = await startFaultyRelay(stack.url);
  const id = await stack.startOperation({ processing_time: 1000, steps: 1000 });
  const driver = await openPage(relay.url, `/operations/${id}`);
  const bars = driver.page.locator(".bar-row");
  await bars.nth(3).waitFor();

  relay.cut();
  await bars.nth((await bars.count()) + 1).waitFor();
  await driver.page.getByText(/as of \d+ s ago/).waitFor(); // from heartbeats the page knows their interval
  relay.mute();
  await driver.connection("Not connected");
  relay.unmute();
  await stack.terminate(id);
  await driver.status("Terminated");
  await driver.connection("Final state");
});

test("shows an outage of the scheduler, and is live again when it answers", async () => {
  const scheduler = await startRestartableScheduler();
  startTestWorker(scheduler.address);
  const stack = await startTestApi(scheduler.address, { heartbeatMs: 500 });
  const id = await stack.startOperation(LONG);
  const driver = await openPage(stack.url);
  await driver.rowShows(id, "Running");
  await driver.connection("Live");
  const document = await fetch(new URL(`/api/operations/${id}`, stack.url));
  const { created_at } = (await document.json()) as { created_at: string };

  await scheduler.stop();
  await driver.connection("The scheduler does not answer");
  await driver.rowShows(id, "Running");
  await eventually("a running time that ends where the outage began", async () => {
    const { asOf, text, timeText, took } = (await driver.page.evaluate(OUTAGE)) as Outage;
    const [, minutes = 0, seconds] = /(?:(\d+) m )?(\d+) s$/.exec(took) ?? [];
    const knownS = Math.floor((Date.parse(asOf) - Date.parse(created_at)) / 1000);
    const isOver = Date.now() - Date.parse(asOf) > 2000; // It would show more by now.
    return isOver && 60 * Number(minutes) + Number(seconds) === knownS && text.endsWith(timeText);
  });
  await scheduler.start();
  await driver.connection("Live");
  await stack.terminate(id);
  await driver.rowShows(id, "Terminated");
});

/** An embedded scheduler that keeps its state and its port while it is stopped. */
async function startRestartableScheduler() {
  const folder = await mkdtemp(join(tmpdir(), "dts-push-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const open = (port: number) =>
    startScheduler({ port, database: join(folder, "scheduler.db"), logger });
  let running = await open(0);
  onTestFinished(() => running.close());
  const { address } = running;
  return {
    address,
    stop: () => running.close(),
    async start() {
      running = await open(Number(address.split(":")[1]));
    },
  };
}
