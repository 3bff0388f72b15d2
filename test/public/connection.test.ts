import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startScheduler } from "../../src/scheduler/scheduler.ts";
import { useChromium } from "../helpers/chromium.ts";
import { logger, startStack, startTestApi, startTestWorker } from "../helpers/stack.ts";
import { startFaultyRelay } from "./faulty-relay.ts";
import { PageDriver } from "./page-driver.ts";

const openBrowser = useChromium();

async function openPage(url: URL) {
  const { page } = await openBrowser();
  return PageDriver.open(page, url);
}

test("shows an outage of the API, and resumes when it is over", async () => {
  const stack = await startStack();
  const driver = await openPage(stack.url);
  const id = await driver.start(100, 200);
  await driver.progress(id);

  await stack.stopApi();
  await driver.connection("Retrying");
  await stack.startApi();
  await stack.terminate(id);
  await driver.status(id, "TERMINATED");
  await driver.connection("Idle");
  expect(await driver.phases()).toEqual(["connecting", "live", "retrying", "live", "idle"]);
});

test("resumes from the last event after the connection broke", async () => {
  const stack = await startStack();
  const relay = await startFaultyRelay(stack.url);
  const driver = await openPage(relay.url);
  const id = await driver.start(100, 200);
  await driver.progress(id);

  relay.cut();
  await stack.terminate(id);
  await driver.status(id, "TERMINATED");
  await driver.connection("Idle");
  expect(await driver.phases()).toEqual(["connecting", "live", "retrying", "live", "idle"]);
  expect(driver.streamRequests).toHaveLength(2);
  expect(await driver.streamRequests[1]?.headerValue("last-event-id")).toMatch(/^[0-9a-z.]+$/);
});

test("detects a silent stream by its missing heartbeats, and reconnects", async () => {
  const stack = await startStack({ heartbeatMs: 1_000 });
  const relay = await startFaultyRelay(stack.url);
  const driver = await openPage(relay.url);
  const id = await driver.start(100, 200);
  await driver.heartbeats(2); // from which the page learns the interval

  relay.mute();
  await driver.connection("Lost");
  relay.unmute();
  await stack.terminate(id);
  await driver.status(id, "TERMINATED");
  await driver.connection("Idle");
  expect(await driver.phases()).toEqual(["connecting", "live", "lost", "live", "idle"]);
});

test("shows an outage of the scheduler, and is live again when it answers", async () => {
  const scheduler = await startRestartableScheduler();
  startTestWorker(scheduler.address);
  const { url, terminate } = await startTestApi(scheduler.address, { heartbeatMs: 500 });
  const driver = await openPage(url);
  const id = await driver.start(100, 200);
  await driver.progress(id);

  await scheduler.stop();
  await driver.connection("Stale");
  await driver.page.getByRole("button", { name: "Start" }).click();
  await driver.page.getByRole("alert").getByText("scheduler").waitFor();
  expect(await driver.cards().count()).toBe(2); // it may have been started, so it is followed
  await scheduler.start();
  await driver.connection("Live");
  await driver.page.getByRole("status").getByText("was removed").waitFor();
  await terminate(id);
  await driver.status(id, "TERMINATED");
  await driver.connection("Idle");
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
