/** The page in several tabs of one browser, left and shown again. Chromium speaks HTTP/1.1 here. */

import { expect, test } from "vitest";
import { useSharedStack } from "../api/support/shared-stack.ts";
import { goBack, useChromium } from "../helpers/chromium.ts";
import { eventually } from "../helpers/deadline.ts";
import { PageDriver } from "./page-driver.ts";

const openBrowser = useChromium();
const stack = useSharedStack({ worker: true });

/** Many more than the six connections that Chromium opens to a server. */
const TABS = 30;

async function start(id: string): Promise<void> {
  const input = { processing_time: 1000, steps: 10 };
  await stack.client.scheduleNewOrchestration("async_http_api_orchestrator", input, id);
}

async function openConnections(): Promise<number> {
  const metrics = await (await fetch(new URL("/metrics", stack.url))).text();
  const counts = metrics.matchAll(/^dts_push_connections\{transport="\w+"\} (\d+)$/gm);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

test("30 tabs are live over one connection, also when the first is closed", async () => {
  const { page, context, complaints } = await openBrowser();
  const tabs = [await PageDriver.open(page, stack.url, "/?prefix=tabs-")];
  while (tabs.length < TABS) {
    const path = tabs.length % 2 === 0 ? "/?prefix=tabs-" : "/";
    tabs.push(await PageDriver.open(await context.newPage(), stack.url, path));
  }
  await start("tabs-1");
  for (const tab of tabs) await tab.rowShows("tabs-1", "Running");

  const [first, ...others] = tabs;
  await first?.page.close();
  await stack.client.terminateOrchestration("tabs-1", null);
  for (const tab of others) await tab.rowShows("tabs-1", "Terminated");
  for (const tab of others) await tab.connection("Live");
  await eventually("one connection", async () => (await openConnections()) === 1);
  expect(complaints).toEqual([]);
});

test("a page that was left is live when the browser goes back to it, from its back/forward cache", async () => {
  const { page } = await openBrowser();
  await page.addInitScript(`addEventListener("pageshow", ({ persisted }) => {
    globalThis.isFromCache = persisted;
  })`);
  const driver = await PageDriver.open(page, stack.url, "/?prefix=back-");
  let visits = 0;
  // Chromium may have to load it again where the machine is busy.
  await eventually("a page from the cache", async () => {
    const id = `back-${++visits}`;
    await start(id);
    await driver.rowShows(id, "Running");
    await page.goto(new URL("/healthz", stack.url).href);
    await stack.client.terminateOrchestration(id, null);
    goBack(page);
    await driver.rowShows(id, "Terminated");
    await driver.connection("Live");
    return (await page.evaluate("isFromCache")) === true;
  });
});

test("where tabs cannot share a connection each has its own", async () => {
  const { page, context, complaints } = await openBrowser();
  await context.addInitScript(`delete globalThis.BroadcastChannel;
    delete globalThis.SharedWorker;
    Object.defineProperty(navigator, "locks", { value: undefined });`);
  await start("alone-1");
  const list = await PageDriver.open(page, stack.url, "/?prefix=alone-");
  const one = await PageDriver.open(await context.newPage(), stack.url, "/operations/alone-1");
  await list.rowShows("alone-1", "Running");
  await one.status("Running");
  await eventually("two connections", async () => (await openConnections()) === 2);
  await stack.client.terminateOrchestration("alone-1", null);
  await list.rowShows("alone-1", "Terminated");
  await one.status("Terminated");
  expect(complaints).toEqual([]);
});
