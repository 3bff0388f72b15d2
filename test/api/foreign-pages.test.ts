/** Pages of another origin in a real browser, which decides what it sends and what it shows them. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Page } from "playwright-core";
import { expect, onTestFinished, test } from "vitest";
import { SAMPLE_ORCHESTRATION } from "../../src/sample.ts";
import { useChromium } from "../helpers/chromium.ts";
import { startTestApi } from "../helpers/stack.ts";
import { useSharedStack } from "./support/shared-stack.ts";

/** A name of another site, whose owner has let it resolve to this machine. */
const REBOUND = "rebound.example";

const openPage = useChromium([`--host-resolver-rules=MAP ${REBOUND} 127.0.0.1`]);
const shared = useSharedStack({ worker: true });

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

/** What a page can do at `api` and to an operation there, and what it learns of the answers. */
async function attempts(page: Page, api: string, id: string): Promise<Record<string, string>> {
  const embedded = page
    .addScriptTag({ url: new URL("/parts/json-text.js", api).href, type: "" })
    .then(
      () => "loaded",
      () => "failed",
    );
  return { ...(await page.evaluate(attemptAll, { api, id })), "embed a script": await embedded };
}

/** Runs in the browser. */
async function attemptAll({ api, id }: Record<"api" | "id", string>) {
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
  const operation = `/api/operations/${id}`;
  return {
    "start, as JSON": await outcome(
      send("POST", "/api/start-operation", json).then(
        (response) => `${response.status}, ${response.headers.get("location") && "with location"}`,
      ),
    ),
    "start, without a preflight": await outcome(
      send("POST", "/api/start-operation", { mode: "no-cors", body: "{}" }).then(
        ({ type }) => type,
      ),
    ),
    "read a document": await outcome(
      send("GET", operation).then(async (response) => {
        const document = (await response.json()) as { operation_id?: string; title: string };
        if (!document.operation_id) return document.title;
        return response.headers.has("etag") ? "document with etag" : "document";
      }),
    ),
    "read a stream": await outcome(
      send("GET", `${operation}/events`).then(async ({ body }) => {
        const reader = body?.pipeThrough(new TextDecoderStream()).getReader();
        const { value } = (await reader?.read()) ?? {};
        await reader?.cancel();
        return value?.startsWith("retry:") ? "received" : `${value}`;
      }),
    ),
    EventSource: await opened(new EventSource(new URL(`${operation}/events`, api)), "snapshot"),
    WebSocket: await opened(
      new WebSocket(
        new URL(`/api/ws?operation_id=${id}`, api.replace("http", "ws")),
        "dts-push.v1",
      ),
      "message",
    ),
    "start any orchestration": await outcome(
      status(send("POST", "/api/operations", { ...json, body: '{"name":"any"}' })),
    ),
    "terminate an operation": await outcome(status(send("POST", `${operation}/terminate`, json))),
    "terminate, without a preflight": await outcome(
      send("POST", `${operation}/terminate`, { mode: "no-cors" }).then(({ type }) => type),
    ),
    "purge an operation": await outcome(status(send("DELETE", operation))),
  };
}

const NOTHING = {
  "start, as JSON": "failed",
  "start, without a preflight": "failed",
  "read a document": "failed",
  "read a stream": "failed",
  EventSource: "failed",
  WebSocket: "failed",
  "start any orchestration": "failed",
  "terminate an operation": "failed",
  "terminate, without a preflight": "failed",
  "purge an operation": "failed",
  "embed a script": "failed",
};

/** An operation that has completed, so that it can be purged. */
async function completedOperation(): Promise<string> {
  const id = await shared.client.scheduleNewOrchestration(SAMPLE_ORCHESTRATION, {
    operation_id: "victim",
    processing_time: 0,
  });
  await shared.client.waitForOrchestrationCompletion(id);
  return id;
}

async function exists(id: string): Promise<boolean> {
  return (await shared.client.getOrchestrationState(id)) !== undefined;
}

async function countOperations(): Promise<number> {
  let count = 0;
  for await (const _each of shared.client.getAllInstances({})) count += 1;
  return count;
}

test("a page of another origin can start, change and read nothing, and open no WebSocket", async () => {
  const { page } = await openPage();
  await page.goto((await startForeignSite()).origin);
  const before = await countOperations();
  const id = await completedOperation();
  expect(await attempts(page, shared.url.origin, id)).toEqual(NOTHING);
  expect(await countOperations()).toBe(before + 1);
  expect(await exists(id)).toBe(true);
});

test("a page of an origin that CORS_ORIGINS lists can do all of it, but for embedding", async () => {
  const { origin } = await startForeignSite();
  const { url } = await startTestApi(shared.address, { corsOrigins: [origin] });
  const { page } = await openPage();
  await page.goto(origin);
  const id = await completedOperation();
  expect(await attempts(page, url.origin, id)).toEqual({
    "start, as JSON": "202, with location",
    "start, without a preflight": "failed",
    "read a document": "document with etag",
    "read a stream": "received",
    EventSource: "received",
    WebSocket: "received",
    "start any orchestration": "202",
    "terminate an operation": "409",
    "terminate, without a preflight": "failed",
    "purge an operation": "204",
    "embed a script": "failed",
  });
  expect(await exists(id)).toBe(false);
});

test.each([
  {
    allowedHosts: [REBOUND],
    found: {
      "start, as JSON": "202, with location",
      "start, without a preflight": "basic",
      "read a document": "document with etag",
      "read a stream": "received",
      EventSource: "received",
      WebSocket: "received",
      "start any orchestration": "202",
      "terminate an operation": "409",
      "terminate, without a preflight": "basic",
      "purge an operation": "204",
      "embed a script": "loaded",
    },
  },
  {
    allowedHosts: [],
    found: {
      "start, as JSON": "421, null",
      "start, without a preflight": "basic", // 421 as well
      "read a document": "Misdirected Request",
      "read a stream": expect.stringContaining("host-not-allowed"),
      EventSource: "failed",
      WebSocket: "failed",
      "start any orchestration": "421",
      "terminate an operation": "421",
      "terminate, without a preflight": "basic", // 421 as well
      "purge an operation": "421",
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
    const id = await completedOperation();
    const before = await countOperations();
    expect(await attempts(page, origin, id)).toEqual(found);
    const started = (await countOperations()) - before;
    // Two were started, and one was purged.
    expect([started, await exists(id)]).toEqual(allowedHosts.length > 0 ? [1, false] : [0, true]);
  },
);
