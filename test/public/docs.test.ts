import { expect, inject, test } from "vitest";
import { useSharedStack } from "../api/support/shared-stack.ts";
import { useChromium } from "../helpers/chromium.ts";

const stack = useSharedStack();
const open = useChromium();
const { openapi, asyncapi } = inject("documents");

test("/docs shows every request, event, message, schema and problem, each with an address", async () => {
  const { page, complaints } = await open();
  await page.goto(new URL("/docs", stack.url).href);
  const ids = new Set(await page.locator("[id]").evaluateAll((all) => all.map(({ id }) => id)));
  const operations = Object.values(openapi.paths).flatMap((methods) => Object.values(methods));
  for (const { operationId } of operations) expect(ids).toContain(operationId);
  for (const name of Object.keys(asyncapi.components.messages)) expect(ids).toContain(name);
  const { StreamEvent, ...schemas } = openapi.components.schemas; // The part "Events".
  for (const name of Object.keys(schemas)) expect(ids).toContain(name);
  for (const slug of Object.keys(openapi.components.examples))
    expect(ids).toContain(`problem-${slug}`);

  const links = page.locator('a[href^="#"]');
  const targets = await links.evaluateAll((all) => all.map((link) => link.getAttribute("href")));
  expect(targets.filter((target) => !ids.has(target?.slice(1) ?? ""))).toEqual([]);
  const all = await page.locator("[id]").count();
  expect(ids.size, "an id is used twice").toBe(all);
  expect(complaints).toEqual([]);
});

test("/docs needs no script and nothing from elsewhere, and fits a phone", async () => {
  const { page, context, complaints } = await open();
  const requested: string[] = [];
  context.on("request", (request) => requested.push(new URL(request.url()).origin));
  const response = await page.goto(new URL("/docs#problem-not-found", stack.url).href);
  expect(response?.headers()["content-security-policy"]).toContain("default-src 'self'");
  const html = (await response?.text()) ?? "";
  expect(html).not.toMatch(/<script|<style|\sstyle=|\son[a-z]+=/i);
  expect(new Set(requested)).toEqual(new Set([stack.url.origin]));

  await page.setViewportSize({ width: 360, height: 640 });
  const width = await page.evaluate("document.documentElement.scrollWidth");
  expect(width).toBe(360);
  const target = page.locator("#problem-not-found");
  expect(await target.evaluate((row) => row.getBoundingClientRect().top)).toBeGreaterThan(0);
  expect(complaints).toEqual([]);
});
