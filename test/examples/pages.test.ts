/** examples/page.html and orders.jsx, each at an origin of its own, with the orchestration of examples/worker.mjs. */

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { useSharedStack } from "../api/support/shared-stack.ts";
import { bundleFile } from "../client/support/bundle.ts";
import { useChromium } from "../helpers/chromium.ts";
import { eventually } from "../helpers/deadline.ts";
import { onEnd, share } from "../helpers/lifetime.ts";

const EXAMPLES = new URL("../../examples/", import.meta.url);
const textOf = (name: string) => readFileSync(new URL(name, EXAMPLES), "utf8");

/** A team's own web server. */
const site = share(async () => {
  const pages = new Map<string, string>();
  const server = createServer(({ url = "" }, response) => {
    const page = pages.get(url);
    response.writeHead(page ? 200 : 404, { "content-type": "text/html" }).end(page);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  onEnd(() => server.close());
  const { port } = server.address() as AddressInfo;
  return { pages, origin: `http://127.0.0.1:${port}` };
});
const stack = useSharedStack({ config: async () => ({ corsOrigins: [site.origin] }) });
share(async () => {
  const code = textOf("worker.mjs").replace("localhost:8080", stack.address);
  const worker = spawn(process.execPath, ["--input-type=module", "--eval", code], {
    cwd: EXAMPLES,
    stdio: "ignore",
  });
  onEnd(() => worker.kill());
  return {};
});
const openPage = useChromium();

test.each([
  ["page.html", async () => textOf("page.html")],
  ["orders.jsx", async () => scriptPage(await bundleFile(new URL("orders.jsx", EXAMPLES)))],
] as const)("%s shows an orchestration of one's own", async (name, make) => {
  const html = (await make()).replaceAll("http://localhost:8000", stack.url.origin);
  site.pages.set(`/${name}`, html);
  const { page, complaints } = await openPage();
  await page.goto(`${site.origin}/${name}`);
  const row = page.locator("li");
  await page.getByRole("button").click();
  const end = "Completed: 3 of 3 items packed";
  await eventually("the end", async () => (await row.textContent()) === end);
  expect(complaints.filter((each) => !each.includes("404"))).toEqual([]);
});

function scriptPage(script: string): string {
  return `<!doctype html><body></body><script type="module">${script.replaceAll("</script", "<\\/script")}</script>`;
}
