/** Pages of another origin in a real browser, which decides what it sends and what it shows them. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { useChromium } from "../helpers/chromium.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestApi, startTestScheduler } from "../helpers/stack.ts";

const openPage = useChromium();

/** An empty page on another port, which is another origin. */
async function startForeignSite(): Promise<URL> {
  const server = createServer((_request, response) => {
    response.setHeader("content-type", "text/html").end("<!doctype html><title>foreign</title>");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

/** What a page can do at `api`: runs in the browser. */
async function attempt(api: string) {
  const start = (headers: Record<string, string>, mode: "cors" | "no-cors") =>
    fetch(new URL("/api/start-operation", api), { method: "POST", headers, mode, body: "{}" }).then(
      (response) => response.status || response.type,
      () => "failed",
    );
  const opened = (source: EventTarget & { close(): void }) =>
    new Promise<string>((resolve) => {
      source.addEventListener("open", () => resolve("opened"));
      source.addEventListener("error", () => resolve("failed"));
    }).finally(() => source.close());
  return {
    json: await start({ "content-type": "application/json" }, "cors"),
    simple: await start({ "content-type": "text/plain" }, "no-cors"),
    socket: await opened(
      new WebSocket(new URL("/api/ws", api.replace("http", "ws")), "dts-push.v1"),
    ),
    stream: await opened(new EventSource(new URL("/api/events", api))),
  };
}

/** Operations of the task hub, as the feed of the API shows them. */
async function startedOperations(url: URL): Promise<number> {
  const client = await SseClient.connect(new URL("/api/events", url));
  let count = 0;
  for (;;) {
    const { event } = await client.next("a heartbeat of the feed");
    if (event === "heartbeat") return count;
    if (event === "snapshot") count += 1;
  }
}

test("a page of another origin can start nothing, open no WebSocket and read no stream", async () => {
  const { url } = await startTestApi(await startTestScheduler(), { heartbeatMs: 500 });
  const { page } = await openPage();
  await page.goto((await startForeignSite()).href);
  expect(await page.evaluate(attempt, url.origin)).toEqual({
    json: "failed",
    simple: "opaque",
    socket: "failed",
    stream: "failed",
  });
  expect(await startedOperations(url)).toBe(0);
});

test("a page of an origin that CORS_ORIGINS lists can do all of it", async () => {
  const site = await startForeignSite();
  const { url } = await startTestApi(await startTestScheduler(), { corsOrigins: [site.origin] });
  const { page } = await openPage();
  await page.goto(site.href);
  expect(await page.evaluate(attempt, url.origin)).toEqual({
    json: 202,
    simple: "opaque",
    socket: "opened",
    stream: "opened",
  });
});
