/** Pages of another origin in a real browser, which decides what it sends and what it shows them. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { expect, onTestFinished, test } from "vitest";
import { useChromium } from "../helpers/chromium.ts";
import { startTestApi } from "../helpers/stack.ts";
import { useSharedStack } from "./support/shared-stack.ts";

/** A name of another site, whose owner has let it resolve to this machine. */
const REBOUND = "rebound.example";

const openPage = useChromium([`--host-resolver-rules=MAP ${REBOUND} 127.0.0.1`]);
const shared = useSharedStack();

/** An empty page on a port of its own, which is another origin than the API's. */
async function startForeignSite(): Promise<{ origin: string; port: number; close(): void }> {
  const server = createServer((_request, response) => {
    response.setHeader("content-type", "text/html").end("<!doctype html><title>foreign</title>");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  onTestFinished(close);
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, port, close };
}

/** What a page can do at `api`, and what it learns of the answers. */
async function attempts(page: Page, api: string): Promise<Record<string, string>> {
  const embedded = page.addScriptTag({ url: new URL("/json.js", api).href, type: "" }).then(
    () => "loaded",
    () => "failed",
  );
  return { ...(await page.evaluate(attemptAll, api)), "embed a script": await embedded };
}

/** Runs in the browser. */
async function attemptAll(api: string): Promise<Record<string, string>> {
  const outcome = (what: Promise<string>) => what.catch(() => "failed");
  const send = async (method: string, path: string, init: RequestInit = {}) =>
    fetch(new URL(path, api), { method, ...init });
  const json = { headers: { "content-type": "application/json" }, body: "{}" };
  const status = async (response: Promise<Response>) => String((await response).status);
  const opened = (source: EventTarget & { close(): void }, event: string) =>
    new Promise<string>((resolve) => {
      source.addEventListener(event, () => resolve("received"));
      source.addEventListener("error", () => resolve("failed"));
    }).finally(() => source.close());
  const start = send("POST", "/api/start-operation", json);
  const location = await start.then(
    (response) => response.headers.get("location") ?? "no location",
    () => "/api/operations/unknown",
  );
  return {
    "start, as JSON": await outcome(status(start)),
    "start, without a preflight": await outcome(
      send("POST", "/api/start-operation", { mode: "no-cors", body: "{}" }).then(
        ({ type }) => type,
      ),
    ),
    "read a document": await outcome(
      send("GET", location).then(async (response) => {
        const document = (await response.json()) as { operation_id?: string; title: string };
        if (!document.operation_id) return document.title;
        return response.headers.has("etag") ? "document with etag" : "document";
      }),
    ),
    "read a stream": await outcome(
      send("GET", `${location}/events`).then(async ({ body }) => {
        const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
        const { value } = (await reader?.read()) ?? {};
        await reader?.cancel();
        return value?.startsWith("retry:") ? "received" : `${value}`;
      }),
    ),
    EventSource: await opened(new EventSource(new URL(`${location}/events`, api)), "snapshot"),
    WebSocket: await opened(
      new WebSocket(new URL(`/api/ws?operation_id=x`, api.replace("http", "ws")), "dts-push.v1"),
      "message",
    ),
    "delete an operation": await outcome(status(send("DELETE", "/api/operations/unknown"))),
  };
}

const NOTHING = {
  "start, as JSON": "failed",
  "start, without a preflight": "failed",
  "read a document": "failed",
  "read a stream": "failed",
  EventSource: "failed",
  WebSocket: "failed",
  "delete an operation": "failed",
  "embed a script": "failed",
};

async function countOperations(): Promise<number> {
  let count = 0;
  for await (const _each of shared.client.getAllInstances({})) count += 1;
  return count;
}

test("a page of another origin can start, change and read nothing, and open no WebSocket", async () => {
  const { page } = await openPage();
  await page.goto((await startForeignSite()).origin);
  const before = await countOperations();
  expect(await attempts(page, shared.url.origin)).toEqual(NOTHING);
  expect(await countOperations()).toBe(before);
});

test("a page of an origin that CORS_ORIGINS lists can do all of it, but for embedding", async () => {
  const { origin } = await startForeignSite();
  const { url } = await startTestApi(shared.address, { corsOrigins: [origin] });
  const { page } = await openPage();
  await page.goto(origin);
  expect(await attempts(page, url.origin)).toEqual({
    "start, as JSON": "202",
    "start, without a preflight": "failed",
    "read a document": "document with etag",
    "read a stream": "received",
    EventSource: "received",
    WebSocket: "received",
    "delete an operation": expect.stringMatching(/^40[45]$/),
    "embed a script": "failed",
  });
});

test.each([
  {
    allowedHosts: [REBOUND],
    found: {
      "start, as JSON": "202",
      "start, without a preflight": "basic",
      "read a document": "document with etag",
      "read a stream": "received",
      EventSource: "received",
      WebSocket: "received",
      "delete an operation": expect.stringMatching(/^40[45]$/),
      "embed a script": "loaded",
    },
  },
  {
    allowedHosts: [],
    found: {
      "start, as JSON": "421",
      "start, without a preflight": "basic", // 421 as well
      "read a document": "Misdirected Request",
      "read a stream": expect.stringContaining("host-not-allowed"),
      EventSource: "failed",
      WebSocket: "failed",
      "delete an operation": "421",
      "embed a script": "failed",
    },
  },
])(
  "a page whose name resolves to this server later can do what ALLOWED_HOSTS=$allowedHosts permits (ACCESS-1)",
  async ({ allowedHosts, found }) => {
    const site = await startForeignSite();
    const { page } = await openPage();
    const origin = `http://${REBOUND}:${site.port}`;
    await page.goto(origin);
    site.close();
    await startTestApi(shared.address, { port: site.port, allowedHosts });
    const before = await countOperations();
    expect(await attempts(page, origin)).toEqual(found);
    const started = (await countOperations()) - before;
    expect(started).toBe(found["start, as JSON"] === "202" ? 1 : 0);
  },
);
