/** The EventSource example of docs/PROTOCOL.md as it is printed there, in Chromium, behind nginx. */

import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { expect, onTestFinished, test } from "vitest";
import type { Config } from "../../src/config.ts";
import { createKey, createKeyFile } from "../helpers/api-key.ts";
import { goBack, useChromium } from "../helpers/chromium.ts";
import { eventually } from "../helpers/deadline.ts";
import { nginxWith } from "../helpers/proxies/nginx.ts";
import { startProxy } from "../helpers/proxies/program.ts";
import { startStack } from "../helpers/stack.ts";

const openBrowser = useChromium();

const PROTOCOL = readFileSync(new URL("../../docs/PROTOCOL.md", import.meta.url), "utf8");
const EXAMPLE = /^\*\*EventSource\*\*.*?^```js\n(.*?)^```$/ms.exec(PROTOCOL)?.[1] ?? "";

/** Handles every request of the page, as most service workers do. */
const SERVICE_WORKER = `
  addEventListener('install', () => skipWaiting());
  addEventListener('activate', (event) => event.waitUntil(clients.claim()));
  addEventListener('fetch', (event) => event.respondWith(fetch(event.request)));`;

const SITE = nginxWith("nginx with a page", {
  server: ({ origin }) => `
    location / { proxy_pass ${origin}; }
    location = /page.html { default_type text/html; return 200 "<!doctype html>"; }
    location = /service-worker.js { default_type text/javascript; return 200 "${SERVICE_WORKER}"; }`,
});

interface Message {
  readonly type: string;
  readonly seq?: number;
  readonly reason?: string;
  readonly operation?: { readonly status: string; readonly cursor: string };
}

/** A page of a site that has the API behind the same nginx. */
async function openSite(overrides: Partial<Config> = {}) {
  const stack = await startStack(overrides);
  const url = await startProxy(SITE, stack.url);
  const { page } = await openBrowser();
  await page.goto(new URL("/page.html", url).href);
  const isStream = (url: string) => new URL(url).pathname.endsWith("/events");
  const requests: string[] = [];
  page.on("request", (request) => isStream(request.url()) && requests.push(request.url()));
  const statuses: number[] = [];
  page.on("response", (response) => isStream(response.url()) && statuses.push(response.status()));
  return { stack, page, requests, statuses };
}

/** Runs the example in the page; its `show` records documents. `more` runs in the scope of the example. */
async function runExample(page: Page, id: string, more = ""): Promise<void> {
  await page.evaluate(`(() => {
    globalThis.shown = [];
    globalThis.messages = [];
    const id = ${JSON.stringify(id)};
    const show = (operation) => shown.push(operation);
    ${EXAMPLE}
    ${more}
  })()`);
}

/** The statuses that the example has shown so far. */
async function shown(page: Page): Promise<string[]> {
  const operations = await page.evaluate<NonNullable<Message["operation"]>[]>("shown");
  return operations.map(({ status }) => status);
}

async function hasEnded(page: Page): Promise<boolean> {
  return ["Completed", "TERMINATED"].includes((await shown(page)).at(-1) ?? "");
}

async function openStreams(url: URL): Promise<number> {
  const metrics = await (await fetch(new URL("/metrics", url))).text();
  return Number(/^dts_push_connections\{transport="sse"\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
}

test("resumes after a proxy answered 502 during an outage of the API", async () => {
  const { stack, page, statuses } = await openSite();
  const id = await stack.startOperation({ processing_time: 100, steps: 200 });
  await page.clock.install();
  await runExample(page, id);
  await eventually("a state", async () => (await shown(page)).length > 0);

  await stack.stopApi();
  const afterPauses = async (is: () => Promise<boolean> | boolean) => {
    await page.clock.fastForward(1000);
    return is();
  };
  const isRefused = () => statuses.filter((code) => code === 502).length >= 3;
  await eventually("three refusals", () => afterPauses(isRefused));
  await stack.startApi();
  await stack.terminate(id);
  await eventually("the end", () => afterPauses(() => hasEnded(page)));
  expect((await shown(page)).filter((status) => status === "TERMINATED")).toHaveLength(1);
});

test("gets a new token when its own has expired, and every step once", async () => {
  const { key, line } = createKey("site", "operations:read", "operations:start", "streams:token");
  const file = createKeyFile(line);
  onTestFinished(file.remove);
  const { stack, page } = await openSite({ credentials: file.credentials });
  const post = async (path: string, body: object) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
    const init = { method: "POST", headers, body: JSON.stringify(body) };
    return (await (await fetch(new URL(path, stack.url), init)).json()) as never;
  };
  const started: { operation_id: string } = await post("/api/start-operation", {
    processing_time: 100,
    steps: 200,
  });
  await page.exposeFunction("makeToken", async () => {
    const { token }: { token: string } = await post("/api/stream-tokens", { ttl_s: 2 });
    return token;
  });
  const steps = `/api/operations/${started.operation_id}/events?detail=steps`;
  const more = `follow("${steps}", (message) => messages.push(message), makeToken);`;
  await runExample(page, started.operation_id, more);
  // On a busy machine a token may expire before its first use, so it ends only when one has expired on a stream.
  await page.waitForFunction(`messages.some(({ reason }) => reason === "auth_expired")`);
  await page.waitForFunction(`messages.filter(({ seq }) => seq).length > 20`);
  await stack.terminate(started.operation_id);
  await page.waitForFunction(`messages.at(-1)?.reconnect === false`);
  const messages = await page.evaluate<Message[]>("messages");
  const seqs = messages.flatMap(({ seq }) => seq ?? []);
  expect(seqs).toEqual(seqs.map((_seq, index) => index + 1));
});

test("gets nothing twice in a page with a service worker (C4)", async () => {
  const { stack, page } = await openSite({ streamMaxAgeMs: 500 });
  await page.evaluate(`(async () => {
    await navigator.serviceWorker.register("/service-worker.js");
    await navigator.serviceWorker.ready;
  })()`);
  await page.reload();
  await page.waitForFunction("navigator.serviceWorker.controller");
  const id = await stack.startOperation({ processing_time: 100, steps: 100 });
  const steps = `/api/operations/${id}/events?detail=steps`;
  await runExample(page, id, `follow("${steps}", (message) => messages.push(message));`);

  const byes = `messages.filter(({ type }) => type === "bye").length`;
  await page.waitForFunction(`${byes} === 2`); // it has resumed once
  await stack.terminate(id);
  await eventually("the end", () => hasEnded(page));
  await page.waitForFunction(`messages.at(-1)?.reconnect === false`);
  const messages = await page.evaluate<Message[]>("messages");
  const seqs = messages.flatMap(({ seq }) => seq ?? []);
  expect(seqs).toEqual(seqs.map((_seq, index) => index + 1));
  const cursors = await page.evaluate<string[]>("shown.map(({ cursor }) => cursor)");
  expect(new Set(cursors).size).toBe(cursors.length);
});

test("has no stream in the back/forward cache or while hidden, and resumes", async () => {
  const { stack, page } = await openSite();
  const id = await stack.startOperation({ processing_time: 100, steps: 200 });
  await runExample(page, id);
  const more = async () => {
    const count = (await shown(page)).length;
    await eventually("more states", async () => (await shown(page)).length > count);
  };
  const closed = () => eventually("no stream", async () => (await openStreams(stack.url)) === 0);
  await more();

  await page.goto(new URL("/healthz", page.url()).href);
  await closed();
  goBack(page);
  await page.waitForFunction("globalThis.shown"); // the same page, not loaded again
  await more();

  const setVisibility = (state: string) =>
    page.evaluate(`
      Object.defineProperty(document, "visibilityState", { configurable: true, value: "${state}" });
      document.dispatchEvent(new Event("visibilitychange"));`);
  await page.clock.install();
  await setVisibility("hidden");
  await page.clock.fastForward(10_000);
  await closed();
  await setVisibility("visible");
  await more();
});

test("stops for an unknown operation, and at the terminal state", async () => {
  const { stack, page, requests, statuses } = await openSite();
  /** Whatever would open a stream again opens none. */
  const hasStopped = async () => {
    const before = requests.length;
    await page.evaluate(`(async () => {
      await fetch("/healthz");
      dispatchEvent(new Event("pageshow"));
      await fetch("/healthz");
    })()`);
    expect(requests).toHaveLength(before);
  };
  await runExample(page, "unknown");
  await eventually(
    "an EventSource refused twice, and the reason asked for",
    () => statuses.length === 3,
  );
  expect(statuses).toEqual([404, 404, 404]);
  await hasStopped();

  await page.reload();
  const id = await stack.startOperation({ processing_time: 0 });
  await runExample(page, id);
  await eventually("the end", () => hasEnded(page));
  await hasStopped();
});
