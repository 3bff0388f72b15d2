/** The page's content security policy, as a browser enforces it. That the page works under it, its other tests show. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { useSharedStack } from "../api/support/shared-stack.ts";
import { useChromium } from "../helpers/chromium.ts";
import { eventually } from "../helpers/deadline.ts";

const openBrowser = useChromium();
const stack = useSharedStack();

/** Runs in the page: what a script in it can do. */
const ATTEMPTS = `(async () => {
  const outcome = async (attempt) => {
    try { return await attempt() ?? "done"; } catch (error) { return error.name; }
  };
  const loads = (tag, attributes) => new Promise((resolve) => {
    const element = Object.assign(document.createElement(tag), attributes);
    element.onload = () => resolve("loaded");
    element.onerror = () => resolve("refused");
    document.body.append(element);
  });
  const opens = (source) => new Promise((resolve) => {
    source.onopen = () => resolve("opened");
    source.onerror = () => resolve("refused");
  }).finally(() => source.close());
  return {
    markup: await outcome(() => { document.body.insertAdjacentHTML("beforeend", "<b>x</b>"); }),
    inlineScript: await outcome(() => {
      const script = document.createElement("script");
      script.textContent = "document.title = 'changed'";
      document.body.append(script);
      return document.title;
    }),
    foreignScript: await outcome(() => loads("script", { src: "http://127.0.0.1:1/x.js" })),
    foreignImage: await outcome(() => loads("img", { src: "http://127.0.0.1:1/x.png" })),
    foreignFetch: await outcome(() => fetch("http://127.0.0.1:1/")),
    ownSocket: await outcome(() => opens(new WebSocket("/api/ws", "dts-push.v1"))),
    ownStream: await outcome(() => opens(new EventSource("/api/events"))),
  };
})()`;

test("no text becomes markup or code, nothing foreign is loaded, and the page's own streams open", async () => {
  const { page, complaints } = await openBrowser();
  await page.goto(stack.url.href);
  expect(complaints).toEqual([]);
  expect(await page.evaluate(ATTEMPTS)).toEqual({
    markup: "TypeError",
    inlineScript: "TypeError",
    foreignScript: "TypeError",
    foreignImage: "refused",
    foreignFetch: "TypeError",
    ownSocket: "opened",
    ownStream: "opened",
  });
});

test("the page cannot be framed", async () => {
  const site = createServer((_request, response) => {
    const html = `<!doctype html><title>site</title><iframe src="${stack.url.href}"></iframe>`;
    response.setHeader("content-type", "text/html").end(html);
  });
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    site.close();
    site.closeAllConnections();
  });
  const { page, complaints } = await openBrowser();
  await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}`);
  await eventually("the browser to refuse the frame", () =>
    complaints.some((text) => text.includes("frame-ancestors")),
  );
  expect(await page.frames()[1]?.title()).not.toBe("dts-push");
});
