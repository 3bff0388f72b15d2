/** The page while replicas, networks and the browser itself fail: it says so, and goes on without being loaded again. */

import { expect, test } from "vitest";
import { useSharedStack } from "../api/support/shared-stack.ts";
import { startFreezingChromium, useChromium } from "../helpers/chromium.ts";
import { eventually } from "../helpers/deadline.ts";
import { AppProcess } from "../helpers/process.ts";
import { startTestApi } from "../helpers/stack.ts";
import { type FaultyRelay, startFaultyRelay } from "./faulty-relay.ts";
import { PageDriver } from "./page-driver.ts";

const openBrowser = useChromium();
/** Its API is the replica that takes over. */
const stack = useSharedStack({ worker: true, config: { heartbeatMs: 1000 } });

/** What Chromium itself logs about connections that fail. */
const NETWORK_ERROR =
  /^(Failed to load resource: net::ERR_|WebSocket connection to '\S+' failed: )/;

/** Runs in the page: notes what the indicator shows, and what the browser does with the page. */
const RECORD = `globalThis.shown = [];
  const indicator = document.getElementById("indicator");
  new MutationObserver(() => shown.push(indicator.textContent)).observe(indicator, {
    childList: true, characterData: true, subtree: true,
  });
  for (const type of ["freeze", "resume"]) document.addEventListener(type, () => shown.push(type));`;

/** The list, with an operation that is running. */
async function openList(relay: FaultyRelay, id: string, openTab = openBrowser) {
  const input = { processing_time: 1000, steps: 10 };
  await stack.client.scheduleNewOrchestration("async_http_api_orchestrator", input, id);
  const { page, context, complaints } = await openTab();
  const driver = await PageDriver.open(page, relay.url, `/?prefix=${id}`);
  await driver.rowShows(id, "Running");
  await driver.connection("Live");
  await page.evaluate(RECORD);
  return {
    driver,
    page,
    context,
    terminate: () => stack.client.terminateOrchestration(id, null),
    /** Waits until the page shows the end of the operation. @returns what `RECORD` has */
    async isLive() {
      await driver.rowShows(id, "Terminated");
      await driver.connection("Live");
      expect(complaints.filter((text) => !NETWORK_ERROR.test(text))).toEqual([]);
      const shown = (await page.evaluate("globalThis.shown")) as string[] | undefined;
      if (!shown) throw new Error("The page was loaded again.");
      return shown;
    },
  };
}

test("a replica is killed, and another takes over at the same address", async () => {
  const replica = AppProcess.start(["api"], { ENDPOINT: `http://${stack.address}` });
  const relay = await startFaultyRelay(await replica.url());
  const { driver, terminate, isLive } = await openList(relay, "killed");
  await replica.kill("SIGKILL");
  await driver.connection("Not connected");
  await terminate();
  relay.pointTo(stack.url);
  await isLive();
});

test("a replica drains, and another takes over at the same address", async () => {
  const replica = await startTestApi(stack.address);
  const relay = await startFaultyRelay(replica.url);
  const { terminate, isLive } = await openList(relay, "drained");
  relay.pointTo(stack.url);
  await replica.stopApi();
  await terminate();
  await isLive();
});

test("the network is gone, and back", async () => {
  const relay = await startFaultyRelay(stack.url);
  const { driver, context, terminate, isLive } = await openList(relay, "offline");
  await context.setOffline(true);
  relay.cut();
  await driver.connection("Not connected");
  await terminate();
  await context.setOffline(false);
  await isLive();
});

test("the tab whose connection all use is frozen: another takes over; thawed it is live (TABS-1), as is one that was hidden", async () => {
  const openTab = await startFreezingChromium();
  const relay = await startFaultyRelay(stack.url);
  const { page, context, terminate, isLive } = await openList(relay, "frozen", openTab);
  const other = await openTab();
  await other.page.bringToFront();
  const driver = await PageDriver.open(other.page, relay.url, "/?prefix=frozen");
  await driver.rowShows("frozen", "Running");
  await driver.connection("Live");

  const debug = await context.newCDPSession(page);
  await debug.send("Page.setWebLifecycleState", { state: "frozen" });
  await terminate();
  await driver.rowShows("frozen", "Terminated");
  await driver.connection("Live");
  await debug.send("Page.setWebLifecycleState", { state: "active" });
  await page.bringToFront();
  expect(await isLive()).toEqual(expect.arrayContaining(["freeze", "resume"]));

  const isHidden = async () => (await other.page.evaluate("document.visibilityState")) === "hidden";
  await eventually("the other tab to be hidden", isHidden);
  await stack.client.scheduleNewOrchestration("nobody_knows", {}, "frozen-2");
  await new PageDriver(page).rowShows("frozen-2", "Pending");
  await other.page.bringToFront();
  await driver.rowShows("frozen-2", "Pending");
  await driver.connection("Live");
  expect(other.complaints).toEqual([]);
});
