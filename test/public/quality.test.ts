/** What holds for every view: accessibility, width, size and stability. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { gzipSync } from "node:zlib";
import type { Locator, Page } from "playwright-core";
import { expect, test } from "vitest";
import { startScheduler } from "../../src/scheduler/scheduler.ts";
import { useSharedStack } from "../api/support/shared-stack.ts";
import { createKey, createKeyFile } from "../helpers/api-key.ts";
import { useChromium } from "../helpers/chromium.ts";
import { onEnd } from "../helpers/lifetime.ts";
import { sdkClient } from "../helpers/sdk.ts";
import { logger, startTestApi } from "../helpers/stack.ts";
import { PageDriver } from "./page-driver.ts";

const openBrowser = useChromium();
const stack = useSharedStack({ worker: true });

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const MAX_BYTES = 100 * 1024;

/** Serious faults that axe-core finds in what is shown. */
async function faults(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate(`axe.run().then(({ violations }) => violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => id + ": " + nodes.map(({ html }) => html).join(" ").slice(0, 500)))`);
}

/** How many colours are on the middle line of an element, as it is drawn. */
async function colours(page: Page, element: Locator): Promise<number> {
  const picture = (await element.screenshot()).toString("base64");
  return page.evaluate(`(async () => {
    const bytes = Uint8Array.from(atob("${picture}"), (each) => each.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const drawing = new OffscreenCanvas(image.width, image.height).getContext("2d");
    drawing.drawImage(image, 0, 0);
    const middle = drawing.getImageData(0, image.height >> 1, image.width, 1);
    return new Set(new Uint32Array(middle.data.buffer)).size;
  })()`);
}

test("no view has a serious fault of accessibility, in light and dark, nor is wider than a phone", async () => {
  const input = { processing_time: 1000, steps: 10 };
  await stack.client.scheduleNewOrchestration("async_http_api_orchestrator", input, "quality-1");
  const { page, complaints } = await openBrowser();
  await page.emulateMedia({ reducedMotion: "reduce" });
  const driver = new PageDriver(page);
  const views: [path: string, ready: () => Promise<void>][] = [
    ["/?prefix=quality-", () => driver.rowShows("quality-1", "Running")],
    ["/operations/quality-1", () => page.locator(".bar-row").nth(1).waitFor()],
    ["/start", () => page.getByRole("heading", { name: "The sample" }).waitFor()],
    ["/connection", () => page.getByRole("rowheader", { name: "Long-poll" }).waitFor()],
  ];
  for (const [path, ready] of views) {
    await page.setViewportSize({ width: 320, height: 640 });
    await page.goto(new URL(path, stack.url).href);
    await ready();
    expect(await page.evaluate("document.documentElement.scrollWidth"), path).toBe(320);
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await faults(page), `${path}, ${colorScheme}`).toEqual([]);
    }
    await page.setViewportSize({ width: 1280, height: 800 });
    expect(await faults(page), path).toEqual([]);
  }
  await page.goto(new URL("/operations/quality-1", stack.url).href);
  await page.getByRole("button", { name: "Terminate" }).click();
  expect(await faults(page), "dialog").toEqual([]);
  expect(complaints).toEqual([]);
});

test("nor do signing in, an empty task hub and an outage", async () => {
  const scheduler = await startScheduler({ port: 0, database: ":memory:", logger });
  onEnd(() => scheduler.close());
  const { url } = await startTestApi(scheduler.address, { heartbeatMs: 500 });
  const keys = createKeyFile(createKey("reader", "operations:read").line);
  onEnd(keys.remove);
  const { credentials } = keys;
  const closed = await startTestApi(scheduler.address, { credentials });
  const { page } = await openBrowser();
  await page.setViewportSize({ width: 320, height: 640 });
  const check = async (view: string) => {
    expect(await page.evaluate("document.documentElement.scrollWidth"), view).toBe(320);
    expect(await faults(page), view).toEqual([]);
  };
  await page.goto(closed.url.href);
  await page.getByLabel("Key or token").waitFor();
  await check("sign-in");

  const driver = await PageDriver.open(page, url);
  await page.getByRole("heading", { name: "No operation yet" }).waitFor();
  await check("empty");

  await sdkClient(scheduler.address).scheduleNewOrchestration("nobody_knows", {}, "outage-1");
  await driver.rowShows("outage-1", "Pending");
  await scheduler.close();
  await driver.connection("The scheduler does not answer");
  await check("outage");
});

test("forced colours keep progress, bars, what is pressed and the focus visible", async () => {
  const input = { processing_time: 1000, steps: 10 };
  await stack.client.scheduleNewOrchestration("async_http_api_orchestrator", input, "forced-1");
  const { page, complaints } = await openBrowser();
  await page.emulateMedia({ forcedColors: "active", reducedMotion: "reduce" });
  await PageDriver.open(page, stack.url, "/operations/forced-1");
  const bar = page.locator(".bar.active").first();
  await bar.waitFor();
  expect(await colours(page, bar), "stripes of a bar").toBeGreaterThan(1);
  const add = `document.querySelector("main").append(
    Object.assign(document.createElement("progress"), { max: 100, value: 50, ariaLabel: "Half" }))`;
  await page.evaluate(add);
  expect(await colours(page, page.locator("main > progress")), "progress").toBeGreaterThan(1);
  expect(await faults(page), "operation").toEqual([]);

  await PageDriver.open(page, stack.url, "/?prefix=forced-&status=RUNNING");
  await page.getByRole("button", { pressed: true }).waitFor();
  const background = (isPressed: boolean): Promise<string> =>
    page.evaluate(
      `getComputedStyle(document.querySelector("[aria-pressed=${isPressed}]")).backgroundColor`,
    );
  expect(await background(true)).not.toBe(await background(false));
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  const outline = "(({ outlineStyle }) => outlineStyle)(getComputedStyle(document.activeElement))";
  expect(await page.evaluate(outline)).toBe("solid");
  expect(await faults(page), "list").toEqual([]);
  expect(complaints).toEqual([]);
});

test("can be used with the keyboard alone, and keeps the focus while rows come", async () => {
  const { page, complaints } = await openBrowser();
  const driver = await PageDriver.open(page, stack.url, "/start");
  const focused = () =>
    page.evaluate(`document.activeElement?.textContent?.trim() || document.activeElement?.name`);
  const tabTo = async (name: string) => {
    for (let presses = 0; (await focused()) !== name; presses += 1) {
      if (presses > 40) throw new Error(`"${name}" is not reached by Tab.`);
      await page.keyboard.press("Tab");
    }
  };
  await page.getByRole("heading", { name: "The sample" }).waitFor();
  await page.keyboard.press("Tab");
  expect(await focused()).toBe("Skip to content");
  await tabTo("Start the sample");
  await page.keyboard.press("Enter");
  await driver.status("Running");
  await tabTo("Terminate");
  await page.keyboard.press("Enter");
  await tabTo("Terminate"); // of the dialog
  await page.keyboard.press("Enter");
  await driver.status("Terminated");

  await page.getByRole("link", { name: "Operations", exact: true }).first().press("Enter");
  await page.locator(".rows a").first().waitFor();
  const link = page.locator(".rows a").first();
  await link.focus();
  const href = await link.getAttribute("href");
  await stack.client.scheduleNewOrchestration("async_http_api_orchestrator", {}, "keyboard-1");
  await driver.row("keyboard-1").waitFor();
  expect(await page.evaluate("document.activeElement.href")).toBe(href);
  expect(complaints).toEqual([]);
});

test("all that the page loads is at most 100 KiB compressed, and nothing moves when data arrives", async () => {
  const { page, complaints } = await openBrowser();
  const sizes: Promise<number>[] = [];
  page.on("response", (response) => {
    if (new URL(response.url()).pathname.startsWith("/api/")) return;
    sizes.push(response.body().then((body) => gzipSync(body).length));
  });
  await page.addInitScript(`globalThis.shift = 0;
    new PerformanceObserver((list) => {
      for (const { value } of list.getEntries()) shift += value;
    }).observe({ type: "layout-shift", buffered: true });`);
  const driver = await PageDriver.open(page, stack.url);
  await driver.connection("Live");
  await page.locator(".rows a").first().waitFor();
  await stack.client.scheduleNewOrchestration("async_http_api_orchestrator", {}, "shift-1");
  await driver.row("shift-1").waitFor();
  const bytes = (await Promise.all(sizes)).reduce((sum, each) => sum + each, 0);
  expect(bytes).toBeLessThan(MAX_BYTES);
  expect(bytes).toBeGreaterThan(20_000);
  expect(await page.evaluate("shift")).toBeLessThan(0.02);
  expect(complaints).toEqual([]);
});
