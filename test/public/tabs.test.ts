/** The page in several tabs of one browser, hidden, and left. Chromium speaks HTTP/1.1 here. */

import type { BrowserContext } from "playwright-core";
import { expect, test } from "vitest";
import { goBack, useChromium } from "../helpers/chromium.ts";
import { eventually } from "../helpers/deadline.ts";
import { type Stack, startStack } from "../helpers/stack.ts";
import { PageDriver } from "./page-driver.ts";

const openBrowser = useChromium();

/** More than the six connections that Chromium opens to a server. */
const TABS = 8;
/** As in stream-slot.js. */
const STREAMS_PER_BROWSER = 4;
/** As in visibility.js. */
const HIDDEN_MS = 10_000;

/** The page of a fresh stack, in the first tab of a fresh browser. */
async function openFirstTab() {
  const stack = await startStack();
  const { page, context, complaints } = await openBrowser();
  return { stack, context, complaints, first: await PageDriver.open(page, stack.url) };
}

/** Opens tabs one after the other, each when the one before is shown in the state `connection`. */
async function openTabs(
  context: BrowserContext,
  url: URL,
  count: number,
  connection: "Idle" | "Live" | "Polling",
): Promise<PageDriver[]> {
  const tabs = [];
  while (tabs.length < count) {
    const tab = await PageDriver.open(await context.newPage(), url);
    await tab.connection(connection);
    tabs.push(tab);
  }
  return tabs;
}

/** Waits until the server has exactly `count` open SSE streams. */
async function openStreams({ url }: Stack, count: number): Promise<void> {
  await eventually(`${count} open streams`, async () => {
    const metrics = await (await fetch(new URL("/metrics", url))).text();
    const open = /^dts_push_connections\{transport="sse"\} (\d+)$/m.exec(metrics)?.[1] ?? 0;
    return Number(open) === count;
  });
}

test("the terminal state of an operation reaches eight visible tabs", async () => {
  const { stack, context, complaints, first } = await openFirstTab();
  const id = await first.start(100, 200);
  const tabs = [first];
  while (tabs.length < TABS) {
    tabs.push(await PageDriver.open(await context.newPage(), stack.url));
  }
  for (const tab of tabs) await tab.progress(id);
  await stack.terminate(id);
  for (const tab of tabs) await tab.status(id, "TERMINATED");
  for (const tab of tabs) await tab.connection("Idle");
  await openStreams(stack, 0);
  expect(complaints).toEqual([]);
});

test("four tabs have a stream, the others poll, and replace tabs that are closed (SLOT-1)", async () => {
  const { stack, context, first } = await openFirstTab();
  const id = await first.start(100, 200);
  await first.connection("Live");
  const streaming = await openTabs(context, stack.url, STREAMS_PER_BROWSER - 1, "Live");
  const polling = await openTabs(context, stack.url, TABS - STREAMS_PER_BROWSER, "Polling");
  for (const tab of polling) await tab.moreProgress(id);
  await openStreams(stack, STREAMS_PER_BROWSER);

  for (const tab of [first, ...streaming]) await tab.page.close();
  for (const tab of polling) await tab.connection("Live");
  await openStreams(stack, polling.length);
});

test("a polling tab shows an outage of the API, and resumes when it is over", async () => {
  const { stack, context, first } = await openFirstTab();
  const id = await first.start(100, 200);
  await first.connection("Live");
  await openTabs(context, stack.url, STREAMS_PER_BROWSER - 1, "Live");
  const [polling] = (await openTabs(context, stack.url, 1, "Polling")) as [PageDriver];

  await stack.stopApi();
  await polling.connection("Lost");
  await stack.startApi();
  await polling.connection("Polling");
  await polling.moreProgress(id);
});

test("each of eight visits in one tab is live, with one open stream at a time", async () => {
  const { stack, first: driver } = await openFirstTab();
  const id = await driver.start(100, 200);
  for (let visit = 1; visit <= 8; visit++) {
    await driver.page.goto(new URL(`/?visit=${visit}`, stack.url).href);
    await driver.progress(id);
    await openStreams(stack, 1);
  }
});

test("a page in the back/forward cache has no stream, and resumes when it is shown again", async () => {
  const { stack, first: driver } = await openFirstTab();
  const id = await driver.start(100, 200);
  await driver.progress(id);
  await driver.page.evaluate("globalThis.isFromCache = true"); // a page that is loaded again loses this

  await driver.page.goto(new URL("/healthz", stack.url).href);
  await openStreams(stack, 0);
  goBack(driver.page);
  await driver.page.waitForFunction("globalThis.isFromCache");
  await driver.connection("Live");
  await driver.moreProgress(id);
  await openStreams(stack, 1);
  expect(await driver.phases()).toEqual(["connecting", "live", "paused", "connecting", "live"]);
});

test("a page that is hidden for a while closes its stream, and resumes when it is visible", async () => {
  const { stack, first: driver } = await openFirstTab();
  const id = await driver.start(100, 200);
  await driver.progress(id);

  await driver.page.clock.install();
  await driver.setVisibility("hidden");
  await driver.page.clock.fastForward(HIDDEN_MS);
  await driver.connection("Paused");
  await openStreams(stack, 0);
  await driver.setVisibility("visible");
  await driver.connection("Live");
  await driver.moreProgress(id);
  expect(driver.streamRequests).toHaveLength(2);
  expect(new URL(driver.streamRequests[1]?.url() ?? "").searchParams.get("after")).toBeTruthy();
});

test("a tab opened in the background opens no stream until it is visible", async () => {
  const { stack, context, first } = await openFirstTab();
  const id = await first.start(100, 200);
  const hidden = await context.newPage();
  await hidden.addInitScript(
    `Object.defineProperty(document, "visibilityState", { configurable: true, value: "hidden" })`,
  );
  const second = await PageDriver.open(hidden, stack.url);
  await second.connection("Paused");
  expect(second.streamRequests).toEqual([]);

  await second.setVisibility("visible");
  await second.connection("Live");
  await second.progress(id);
});

test("new operations and Clear finished reach the other tabs", async () => {
  const { stack, context, complaints, first } = await openFirstTab();
  const [second] = (await openTabs(context, stack.url, 1, "Idle")) as [PageDriver];

  const short = await first.start(0, 1);
  await second.status(short, "Completed");
  const long = await second.start(100, 200);
  await first.progress(long);
  expect(await first.cards().first().textContent()).toContain(long); // newest first

  await first.page.getByRole("button", { name: "Clear finished" }).click();
  await second.card(short).waitFor({ state: "detached" });
  expect(await second.cards().count()).toBe(1);
  await second.moreProgress(long);
  expect(complaints).toEqual([]);
});
