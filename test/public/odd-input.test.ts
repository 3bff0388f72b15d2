/** Ids that mean something else in an address, and wrong input in each field. */

import { expect, test } from "vitest";
import { useSharedStack } from "../api/support/shared-stack.ts";
import { useChromium } from "../helpers/chromium.ts";
import { PageDriver } from "./page-driver.ts";

const openBrowser = useChromium();
const stack = useSharedStack();

/** What Chromium itself logs about a request that the server refuses. */
const REFUSED = "Failed to load resource: the server responded with a status of 400 (Bad Request)";

test("every id is opened from the list, and again from its address; an impossible one is refused", async () => {
  const ids = ["..", "a/../b", "%2e%2e", "\\", "?a=b&c#d", "<b>'\"`"];
  for (const id of ids) await stack.client.scheduleNewOrchestration("nobody_knows", {}, id);
  const { page, complaints } = await openBrowser();
  const driver = await PageDriver.open(page, stack.url);
  for (const id of ids) {
    await driver.row(id).getByRole("link").click();
    await driver.status("Pending");
    await page.reload();
    await driver.status("Pending");
    expect(await page.locator(".operation-head .id code").textContent()).toBe(id);
    await page.getByRole("link", { name: "Operations", exact: true }).first().click();
  }
  expect(complaints).toEqual([]);
  await page.goto(new URL("/operations/%C3%BC", stack.url).href);
  await page.getByRole("alert").getByText("1 to 100 printable ASCII characters").waitFor();
});

test("wrong input in each field is answered with what is wrong, and can be corrected", async () => {
  const { page, complaints } = await openBrowser();
  const driver = await PageDriver.open(page, stack.url, "/start?name=nobody_knows");
  const alert = page.getByRole("alert");
  await page.getByLabel("Processing time").fill("86401");
  await page.getByRole("button", { name: "Start the sample" }).click();
  expect(await page.locator("input:invalid").getAttribute("name")).toBe("processing_time");

  await page.getByText("Id, tags").click();
  const tags = page.getByLabel("Tags", { exact: true });
  for (const [wrong, message] of [
    ["team", "A tag is written key=value"],
    ["team=a, priority=high, team=b", 'The tag "team" is there twice'],
  ] as const) {
    await tags.fill(wrong);
    await page.getByText(message).waitFor();
    await page.getByText("Id, tags").click();
    await page.getByRole("button", { name: "Start", exact: true }).click();
    expect(await page.locator("input:focus").getAttribute("name")).toBe("tags");
    await tags.waitFor(); // opened again, and not sent
  }
  await tags.fill("team=shipping");
  for (const [label, wrong, right, message] of [
    ["Name", " ", "nobody_knows", '"name" must be the name of the orchestration'],
    ["Id", "ü", "corrected", "1 to 100 printable ASCII characters"],
    ["Version", "v".repeat(1001), "1", '"version" must be the version of the orchestration'],
  ] as const) {
    const field = page.getByLabel(label, { exact: true });
    await field.fill(wrong);
    await page.getByRole("button", { name: "Start", exact: true }).click();
    await alert.getByText(message).waitFor();
    await field.fill(right);
  }
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await driver.status("Pending");

  await page.getByRole("link", { name: "Operations", exact: true }).first().click();
  for (const [label, wrong, right, message] of [
    ["Id begins with", "ü", "corr", '"prefix" must be the beginning of an operation id'],
    ["Tag", "team", "team:shipping", '"tag" must be a tag as "key:value"'],
  ] as const) {
    const field = page.getByLabel(label, { exact: true });
    await field.fill(wrong);
    await alert.getByText(message).waitFor();
    await field.fill(right);
    await alert.waitFor({ state: "detached" });
    await driver.row("corrected").waitFor();
  }
  await driver.connection("Live");
  expect(complaints.filter((text) => text !== REFUSED)).toEqual([]);
});
