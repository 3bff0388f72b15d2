/** The hooks, with real React: on a server, and in pages of Chromium. */

import type { Page } from "playwright-core";
import { createElement } from "react";
import { renderToString } from "react-dom/server";
import { expect, test } from "vitest";
import { createClient } from "../../client/client.ts";
import { useOperation, useOperations, useSteps } from "../../client/react.ts";
import { useForeignWorker } from "../api/support/foreign-worker.ts";
import { useSharedStack } from "../api/support/shared-stack.ts";
import { useChromium } from "../helpers/chromium.ts";
import { eventually } from "../helpers/deadline.ts";
import { bundleFile } from "./support/bundle.ts";
import { ENDED, useScriptedServer } from "./support/server.ts";

test("on a server the hooks render what a browser shows first, and watch nothing", () => {
  function Shown({ id }: { readonly id: string | undefined }) {
    const { operation, state } = useOperation(id);
    const { operations } = useOperations({ prefix: "order-" });
    const { steps } = useSteps(id);
    return createElement(
      "p",
      null,
      `${operation?.status} ${state.kind} ${operations.length} ${steps.length}`,
    );
  }
  for (const id of [undefined, "order-1"]) {
    expect(renderToString(createElement(Shown, { id }))).toBe("<p>undefined connecting 0 0</p>");
  }
});

const server = useScriptedServer();
const stack = useSharedStack({ worker: true });
useForeignWorker(stack);
const openPage = useChromium();

/** Opens a page of the server's origin that has `render({ id, prefix, steps })` and `unmount()`. */
async function openApp(url = server.url): Promise<{ page: Page; complaints: readonly string[] }> {
  const { page, complaints } = await openPage();
  await page.goto(new URL("/healthz", url).href);
  await page.setContent('<div id="root"></div>');
  await page.addScriptTag({
    type: "module",
    content: await bundleFile(new URL("support/react-app.ts", import.meta.url)),
  });
  await page.waitForFunction("globalThis.render");
  return { page, complaints };
}

const shows = (page: Page, selector: string, text: string) =>
  eventually(`${text} in ${selector}`, async () => (await page.textContent(selector)) === text);

async function subscriptions(): Promise<number> {
  const metrics = await (await fetch(new URL("/metrics", server.url))).text();
  return Number(/^dts_push_subscriptions (\d+)$/m.exec(metrics)?.[1]);
}

test("in a page the hooks show what is watched, share it, and leave nothing open", async () => {
  const { page, complaints } = await openApp();
  const [one, other] = [server.operation("a"), server.operation("b")];
  one.percent(1);
  other.percent(2);
  const render = (props: object) => page.evaluate(`render(${JSON.stringify(props)})`);

  await render({});
  await shows(page, "#first", "no id connecting");
  expect(await subscriptions()).toBe(0);

  // An id that comes later; StrictMode mounts twice, and two components show it.
  await render({ id: one.id });
  await shows(page, "#first", "1 live");
  await shows(page, "#second", "1 live");
  await eventually("one subscription", async () => (await subscriptions()) === 1);
  one.percent(3);
  await shows(page, "#first", "3 live");
  await shows(page, "#second", "3 live");

  await render({ id: other.id });
  await shows(page, "#first", "2 live");
  await eventually("one subscription", async () => (await subscriptions()) === 1);
  other.set(ENDED);
  await shows(page, "#first", "2 closed");
  await render({ id: "unknown" });
  await shows(page, "#first", "Operation unknown not found");

  await render({ id: one.id, prefix: "b-" });
  await shows(page, "#list", other.id);
  await shows(page, "#first", "3 live");
  await page.evaluate("unmount()");
  await eventually("nothing to be open", async () => (await subscriptions()) === 0);
  expect(complaints.filter((each) => !each.includes("404"))).toEqual([]);
});

test("in a page useSteps shows the history as it grows", async () => {
  const client = createClient({ url: stack.url });
  const { page } = await openApp(stack.url);
  const { operation_id: id } = await client.start("wait");
  await page.evaluate(`render({ steps: "${id}" })`);
  await eventually("a step", async () => (await page.textContent("#steps"))?.includes("started"));
  await client.raiseEvent(id, "go");
  await Array.fromAsync(client.watch(id));
  const { steps } = await client.history(id);
  await shows(page, "#steps", `Completed ${steps.map(({ kind }) => kind).join(" ")}`);
});
