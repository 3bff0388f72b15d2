import { expect, test } from "vitest";
import type { Config } from "../../src/config.ts";
import { useChromium } from "../helpers/chromium.ts";
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

  const id = await driver.start(2, 4);
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
  const { driver, complaints } = await openPage();

  const first = await driver.start(4, 8);
  await driver.progress(first);
  const second = await driver.start(2, 4);
  expect(await driver.cards().first().textContent()).toContain(second); // newest first
  await driver.status(second, "Completed");
  await driver.status(first, "Completed");
  await driver.connection("Idle");

  const queries = driver.streamRequests.map((request) => new URL(request.url()).searchParams);
  expect(queries.map((query) => query.getAll("operation_id").sort())).toEqual([
    [first],
    [first, second].sort(),
  ]);
  expect(queries[1]?.get("after")).toBeTruthy();
  expect(complaints).toEqual([]);
});

test("keeps what still runs over a reload, and what is finished until it is cleared", async () => {
  const { driver, page, complaints } = await openPage();
  const short = await driver.start(0, 1);
  await driver.status(short, "Completed");
  const long = await driver.start(6, 12);
  await driver.progress(long);

  await page.reload();
  await driver.status(short, "Completed");
  await driver.status(long, "RUNNING");
  await page.getByRole("button", { name: "Clear finished" }).click();
  expect(await driver.cards().count()).toBe(1);
  await driver.status(long, "Completed");

  await page.getByRole("button", { name: "Clear finished" }).click();
  await page.reload();
  await page.getByText("Nothing here yet").waitFor();
  expect(complaints).toEqual([]);
});

test("drops a remembered id that the scheduler does not know, and says so", async () => {
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
});

test("B1: never shows a state from before the one it shows", async () => {
  const { page } = await openPage();
  const older = await page.evaluate(`(async () => {
    const { isOlder } = await import("/operation.js");
    const state = (cursor, status) => ({ cursor, status });
    const shown = state("1.0mf3k2a1c.0mf3k2c11.p01m3d", "Completed");
    return [
      state("1.0mf3k2a1c.0mf3k2c10.zzzzzz", "RUNNING"), // earlier
      state("1.0mf3k2a1b.0mf3k2c12.zzzzzz", "RUNNING"), // later, but of an earlier life
      state("1.0mf3k2a1c.0mf3k2c11.zzzzzz", "RUNNING"), // the same millisecond, before the end
      state("1.0mf3k2a1c.0mf3k2c11.p01m3d", "Completed"), // the same state
      state("1.0mf3k2a1d.0mf3k2c10.aaaaaa", "RUNNING"), // a new life
    ].map((next) => isOlder(next, shown));
  })()`);
  expect(older).toEqual([true, true, true, false, false]);
});
