import { expect, test } from "vitest";
import type { Config } from "../../src/config.ts";
import { useChromium } from "../helpers/chromium.ts";
import { AppProcess } from "../helpers/process.ts";
import { startStack } from "../helpers/stack.ts";
import { PageDriver } from "./page-driver.ts";

const openBrowser = useChromium();

/** The page of a fresh stack in a fresh browser. */
async function openPage(overrides: Partial<Config> = {}) {
  const stack = await startStack(overrides);
  const { page, complaints } = await openBrowser();
  const driver = await PageDriver.open(page, stack.url);
  return { stack, page, driver, complaints };
}

test("starts an operation and follows it to its end over one connection", async () => {
  const { driver, complaints } = await openPage();
  await driver.connection("Idle");

  const id = await driver.start(1, 4);
  await driver.progress(id);
  await driver.status(id, "Completed");
  await driver.shows(id, `Operation ${id} completed successfully`);

  expect(await driver.percent(id)).toBe("100");
  await driver.connection("Idle");
  expect(await driver.phases()).toEqual(["connecting", "live", "idle"]);
  expect(driver.streamRequests).toHaveLength(1);
  expect(complaints).toEqual([]);
});

test("follows two operations at once, resuming when the second is added", async () => {
  const { stack, driver, complaints } = await openPage();

  const first = await driver.start(100, 200);
  await driver.progress(first);
  const second = await driver.start(1, 2);
  expect(await driver.cards().first().textContent()).toContain(second); // newest first
  await driver.status(second, "Completed");
  await stack.terminate(first);
  await driver.status(first, "TERMINATED");
  await driver.connection("Idle");

  const queries = driver.streamRequests.map((request) => new URL(request.url()).searchParams);
  expect(queries.map((query) => query.getAll("operation_id").sort())).toEqual([
    [first],
    [first, second].sort(),
  ]);
  expect(queries[1]?.get("after")).toBeTruthy();
  expect(complaints).toEqual([]);
});

test("keeps active operations over a reload, and terminal ones until they are cleared", async () => {
  const { stack, driver, page, complaints } = await openPage();
  const short = await driver.start(0, 1);
  await driver.status(short, "Completed");
  const long = await driver.start(100, 200);
  await driver.progress(long);

  await page.reload();
  await driver.status(short, "Completed");
  await driver.status(long, "RUNNING");
  await page.getByRole("button", { name: "Clear finished" }).click();
  expect(await driver.cards().count()).toBe(1);
  await stack.terminate(long);
  await driver.status(long, "TERMINATED");

  await page.getByRole("button", { name: "Clear finished" }).click();
  await page.reload();
  await page.getByText("Nothing here yet").waitFor();
  expect(complaints).toEqual([]);
});

test("removes a stored id that the scheduler does not know, and shows a message", async () => {
  const { driver, page, complaints } = await openPage();
  await page.evaluate(`localStorage.setItem("dts-push.operations", '["never-started"]')`);
  await page.reload();
  await page.getByText("Operation never-started was removed").waitFor();
  expect(await driver.cards().count()).toBe(0);
  await driver.connection("Idle");
  expect(complaints).toEqual([]);
});

test("shows beside the form why an operation was not started", async () => {
  const { stack, driver, page } = await openPage();
  const alert = page.getByRole("alert");
  await page.evaluate(`document.querySelector("[name=processing_time]").removeAttribute("max")`);

  await driver.fill(86_401, 1);
  await page.getByRole("button", { name: "Start" }).click();
  await alert.getByText("processing_time").waitFor();
  expect(await driver.cards().count()).toBe(0);

  await driver.start(0, 1);
  await alert.waitFor({ state: "hidden" });

  await stack.stopApi();
  await page.getByRole("button", { name: "Start" }).click();
  await alert.getByText("cannot be reached").waitFor();
  await stack.startApi();
  await alert.waitFor({ state: "hidden" }); // the outage is over
});

test("hides the form where SAMPLE is off", async () => {
  const { page } = await openBrowser();
  await page.goto((await AppProcess.start(["all"], { SAMPLE: "off" }).url()).href);
  await page.getByRole("form").waitFor({ state: "hidden" });
  await page.getByText("Nothing here yet.", { exact: true }).waitFor();
});

test("opens the raw documents in a tab of their own", async () => {
  const { stack, driver, page, complaints } = await openPage();
  const id = await driver.start(0, 1);
  await driver.status(id, "Completed");
  const status = new URL(`/api/operations/${id}`, stack.url).href;
  for (const [name, url] of Object.entries({ Status: status, Events: `${status}/events` })) {
    const opened = page.waitForEvent("popup");
    await driver.card(id).getByRole("link", { name }).click();
    await (await opened).waitForURL(url, { waitUntil: "commit" });
  }
  expect(page.url()).toBe(stack.url.href);
  expect(complaints).toEqual([]);
});

test("distinguishes older states from newer ones by their cursors", async () => {
  const { page } = await openPage();
  const older = await page.evaluate(`(async () => {
    const { isOlder } = await import("/operation.js");
    const state = (cursor, status) => ({ cursor, status });
    const shown = state("1.0mf3k2a1c.0mf3k2c11.p01m3d", "Completed");
    return [
      state("1.0mf3k2a1c.0mf3k2c10.zzzzzz", "RUNNING"), // earlier
      state("1.0mf3k2a1b.0mf3k2c12.zzzzzz", "RUNNING"), // later, but of an earlier incarnation
      state("1.0mf3k2a1c.0mf3k2c11.zzzzzz", "RUNNING"), // the same millisecond, before the end
      state("1.0mf3k2a1c.0mf3k2c11.p01m3d", "Completed"), // the same state
      state("1.0mf3k2a1d.0mf3k2c10.aaaaaa", "RUNNING"), // a new incarnation
    ].map((next) => isOlder(next, shown));
  })()`);
  expect(older).toEqual([true, true, true, false, false]);
});

test("shows an older state only if it follows a newer one on one connection (BOARD-1)", async () => {
  const { driver, page } = await openPage();
  const show = async (updated: number, status: string, type: string) => {
    await page.evaluate(`(async () => {
      const { Board } = await import("/board.js");
      globalThis.board ??= new Board();
      board.add("op", "Loading");
      const time = new Date(${updated}).toISOString();
      board.show({ operation_id: "op", status: "${status}", created_at: time, last_updated: time,
        cursor: "1.0mf3k2a1c.0mf3k2c1${updated}.p01m3d" }, "${type}");
    })()`);
    return driver.card("op").locator(".status").textContent();
  };
  expect(await show(5, "RUNNING", "snapshot")).toBe("RUNNING");
  expect(await show(3, "PENDING", "snapshot")).toBe("RUNNING"); // another stream, of a replica that lags
  expect(await show(4, "SUSPENDED", "update")).toBe("RUNNING"); // which has not caught up yet
  expect(await show(6, "SUSPENDED", "update")).toBe("SUSPENDED");
  expect(await show(2, "Completed", "update")).toBe("Completed"); // the scheduler's clock was set back
});
