/** The client in tabs of a real Chromium. */

import type { BrowserContext, Page } from "playwright-core";
import { expect, test } from "vitest";
import { useChromium } from "../helpers/chromium.ts";
import { eventually } from "../helpers/deadline.ts";
import { useScriptedServer } from "./support/server.ts";

const server = useScriptedServer({ heartbeatMs: 1000 });
const openPage = useChromium();

/** Opens a tab that watches an operation, with the client as the server has it. */
async function openTab(context: BrowserContext, id: string, options: object = {}): Promise<Page> {
  const page = await context.newPage();
  await page.goto(new URL("/healthz", server.url).href);
  await page.evaluate(`(async () => {
    const { createClient } = await import("/client/client.js");
    const client = createClient(${JSON.stringify(options)});
    (async () => {
      for await (const each of client.watch("${id}")) globalThis.percent = each.custom_status;
    })();
  })()`);
  return page;
}

const percentOf = (page: Page) => page.evaluate("globalThis.percent");
const sees = (page: Page, percent: number) =>
  eventually(`${percent} in a tab`, async () => (await percentOf(page)) === percent);

async function openStreams(): Promise<number> {
  const metrics = await (await fetch(new URL("/metrics", server.url))).text();
  const counts = metrics.matchAll(/^dts_push_connections\{transport="\w+"\} (\d+)$/gm);
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0);
}

test("tabs share one connection; when its tab closes or crashes, another takes over", async () => {
  const { context } = await openPage();
  const { id, percent } = server.operation();
  const tabs: Page[] = [];
  percent(0);
  for (let count = 0; count < 3; count += 1) {
    const tab = await openTab(context, id);
    await sees(tab, 0);
    tabs.push(tab);
  }
  await eventually("one connection", async () => (await openStreams()) === 1);

  await tabs.shift()?.close();
  percent(1);
  for (const tab of tabs) await sees(tab, 1);

  // test/public/resilience.test.ts has one that is frozen.
  const crashed = tabs.shift() as Page;
  const killer = await context.newCDPSession(crashed);
  void killer.send("Page.crash").catch(() => undefined);
  percent(2);
  for (const tab of tabs) await sees(tab, 2);
});

test("where WebSockets are blocked, 30 tabs are live over one HTTP/1.1 connection", async () => {
  const { context } = await openPage();
  await context.addInitScript(() => {
    globalThis.WebSocket = class extends WebSocket {
      constructor() {
        super("ws://127.0.0.1:1/");
      }
    } as typeof WebSocket;
  });
  const operations = Array.from({ length: 15 }, () => server.operation());
  for (const { percent } of operations) percent(1);
  const followed = [...operations, ...operations];
  const tabs = await Promise.all(followed.map(({ id }) => openTab(context, id)));
  for (const tab of tabs) await sees(tab, 1);
  await eventually("one connection", async () => (await openStreams()) === 1);
  for (const { percent } of operations) percent(2);
  for (const tab of tabs) await sees(tab, 2);
});

test("without locks and channels each tab has a connection of its own, which is back when the network is", async () => {
  const { context } = await openPage();
  await context.addInitScript(`delete globalThis.BroadcastChannel;
    Object.defineProperty(navigator, "locks", { value: undefined });`);
  const { id, percent } = server.operation();
  percent(1);
  const tabs = [await openTab(context, id), await openTab(context, id)];
  for (const tab of tabs) await sees(tab, 1);
  expect(await openStreams()).toBeGreaterThanOrEqual(2);
  await context.setOffline(true);
  percent(2);
  await context.setOffline(false);
  for (const tab of tabs) await sees(tab, 2);
});
