import Fastify from "fastify";
import { expect, onTestFinished, test } from "vitest";
import { dtsPush, fastifyOptions } from "../../src/package/main.ts";
import { useSharedStack } from "../api/support/shared-stack.ts";
import { createKey, createKeyFile } from "../helpers/api-key.ts";
import { useChromium } from "../helpers/chromium.ts";
import { startTestApi } from "../helpers/stack.ts";
import { PageDriver } from "./page-driver.ts";

const openBrowser = useChromium();
const stack = useSharedStack({ worker: true });

/** The page in a fresh browser. */
async function openPage(path = "", url = stack.url) {
  const { page, context, complaints } = await openBrowser();
  const driver = await PageDriver.open(page, url, path);
  return { page, context, driver, complaints };
}

/** Starts operations that stay active. */
async function start(...ids: string[]): Promise<void> {
  const input = { processing_time: 1000, steps: 10 };
  for (const id of ids) {
    await stack.client.scheduleNewOrchestration("async_http_api_orchestrator", input, id);
  }
}

test("starts an operation, follows it live, and acts on it", async () => {
  const { page, driver, complaints } = await openPage();
  const id = await driver.startSample(100, 200);
  await driver.status("Running");
  const bars = page.locator(".bar-row");
  await bars.nth(2).waitFor(); // of the second activity

  await page.reload();
  await driver.status("Running");
  await driver.progressBeyond(1, page.locator(".operation-head progress"));
  await driver.act("Suspend");
  await driver.status("Suspended");
  await driver.act("Resume");
  await driver.status("Running");
  await driver.act("Terminate", (dialog) => dialog.getByLabel("Reason").fill("not needed"));
  await driver.status("Terminated");
  await driver.connection("Final state");
  await driver.act("Restart", (dialog) => dialog.getByLabel("as a new operation").uncheck());
  await driver.status("Running");
  expect(new URL(page.url()).pathname).toBe(`/operations/${id}`);

  await page.getByRole("link", { name: "Operations", exact: true }).first().click();
  await driver.rowShows(id, "Running");
  await page.goBack();
  await driver.status("Running");
  await driver.act("Terminate");
  await driver.status("Terminated");
  await driver.act("Delete");
  await page.getByRole("heading", { name: "Operations" }).waitFor();
  await page.goto(new URL(`/operations/${id}`, stack.url).href);
  await page.getByRole("alert").getByText("not found").waitFor();
  expect(complaints).toEqual([]);
});

test("shows a finished operation with its history, again at its pace, and its documents", async () => {
  const { page, context, driver, complaints } = await openPage();
  const id = await driver.startSample(1, 4);
  await driver.status("Completed");
  expect(await driver.percent(page.locator(".operation-head"))).toBe(100);
  await page.getByText(`Operation ${id} completed successfully`).waitFor();
  expect(await page.locator(".bar-row").count()).toBe(5);

  await page.getByRole("slider").fill("0");
  await page.locator(".bar-row").nth(4).waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Replay" }).click();
  await page.locator(".bar-row").nth(4).waitFor();

  for (const [name, path] of [
    ["Document", "/api/operations"],
    ["Events", "/api/events"],
  ] as const) {
    const opened = context.waitForEvent("page");
    await page.getByRole("link", { name }).click();
    const url = new URL(path, stack.url).href;
    await (await opened).waitForURL((to) => to.href.startsWith(url), { waitUntil: "commit" });
  }
  expect(complaints).toEqual([]);
});

test("filters by what its address says, and goes back", async () => {
  await start("filter-1", "filter-2");
  await stack.client.terminateOrchestration("filter-2", null);
  const { page, driver, complaints } = await openPage("/?prefix=filter-");
  await driver.rowShows("filter-1", "Running");
  await driver.rowShows("filter-2", "Terminated");

  await page.getByRole("button", { name: "Terminated" }).click();
  await driver.row("filter-1").waitFor({ state: "detached" });
  expect(new URL(page.url()).search).toBe("?status=TERMINATED&prefix=filter-");
  await page.goBack();
  await driver.row("filter-1").waitFor();
  await page.getByLabel("Id begins with").fill("filter-2");
  await driver.row("filter-1").waitFor({ state: "detached" });
  await start("filter-21"); // appears by itself
  await driver.rowShows("filter-21", "Running");
  await page.getByRole("button", { name: "Failed" }).click();
  await page.getByRole("button", { name: "Show all" }).click();
  await driver.row("filter-1").waitFor();

  await page.goto(new URL("/?status=RUNING&prefix=filter-", stack.url).href);
  const note = page.getByText(
    'Unknown status in the address: "RUNING". It can be PENDING, RUNNING,',
  );
  await note.waitFor();
  await driver.rowShows("filter-2", "Terminated");
  await page.getByRole("button", { name: "Terminated" }).click();
  await note.waitFor({ state: "detached" });
  expect(complaints).toEqual([]);
});

test("terminates and deletes what is selected, after a question", async () => {
  await start("many-1", "many-2", "many-3");
  const { page, driver, complaints } = await openPage("/?prefix=many-");
  for (const id of ["many-1", "many-2"]) await page.getByLabel(`Select ${id}`).check();
  await driver.act("Terminate 2");
  await driver.rowShows("many-1", "Terminated");
  await driver.rowShows("many-2", "Terminated");
  await driver.rowShows("many-3", "Running");

  await page.getByLabel("Select all").check();
  await page.getByRole("button", { name: "Delete 2" }).click();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await driver.act("Delete 2");
  await driver.row("many-1").waitFor({ state: "detached" });
  expect(await page.locator(".rows [role=row]").count()).toBe(1);
  expect(complaints).toEqual([]);
});

test("a row that another client has purged is gone once its operation is opened", async () => {
  await start("purged-1", "purged-2");
  const { page, driver } = await openPage("/?prefix=purged-");
  await driver.rowShows("purged-1", "Running");
  await stack.client.terminateOrchestration("purged-1", null);
  await driver.rowShows("purged-1", "Terminated");
  await stack.client.purgeOrchestration("purged-1");
  await driver.row("purged-1").getByRole("link").click();
  await page
    .getByRole("alert")
    .getByText(/not found|was purged/)
    .waitFor();
  await page.goBack();
  await driver.rowShows("purged-2", "Running");
  await driver.connection("Live");
  expect(await driver.row("purged-1").count()).toBe(0);
});

test("starts any orchestration, and shows what is wrong with the input", async () => {
  await start("taken");
  const { page, driver, complaints } = await openPage("/start?name=unknown");
  const alert = page.getByRole("alert");
  const submit = () => page.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByLabel("Input").fill('{"a": 1,}');
  await page.getByText("This is not valid JSON").waitFor();
  await page.getByLabel("Input").fill('{"a": 1}');
  await page.getByText("Id, tags").click();
  await page.getByLabel("Id", { exact: true }).fill("taken");
  await submit();
  await alert.getByText("taken").waitFor();
  await page.getByLabel("Id", { exact: true }).fill("a/b?c#ä".replace("ä", "%"));
  await page.getByLabel("Tags").fill("team=shipping");
  await submit();
  await driver.status("Pending");
  await page.reload(); // an id that a path cannot carry
  await driver.status("Pending");
  await page.getByText('"a": 1').waitFor();
  await page.getByText("shipping").waitFor();
  expect(complaints.filter((text) => !text.includes("409"))).toEqual([]);
});

test("wants a key where the server does, offers what it permits, and keeps it in the tab", async () => {
  const { key, line } = createKey("reader", "operations:read");
  const file = createKeyFile(line);
  onTestFinished(file.remove);
  const { url } = await startTestApi(stack.address, { credentials: file.credentials });
  await start("seen-by-reader");
  const { page, context, driver } = await openPage("/operations/seen-by-reader", url);
  const field = page.getByLabel("Key or token");
  await field.fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("does not accept").waitFor();
  await field.fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await driver.status("Running");
  expect(await page.getByRole("group", { name: "Actions" }).count()).toBe(0);
  expect(await page.evaluate("localStorage.length")).toBe(0);

  const second = await PageDriver.open(await context.newPage(), url, "/?prefix=seen-");
  await second.rowShows("seen-by-reader", "Running"); // from the other tab
  expect(await second.page.getByRole("link", { name: "Start an operation" }).count()).toBe(0);

  file.write(createKey("reader", "operations:read").line); // the key is withdrawn
  await field.waitFor();
  await second.page.getByLabel("Key or token").waitFor();
});

test("does not offer the sample where there is none", async () => {
  const { url } = await startTestApi(stack.address, { sample: "off" });
  const { page } = await openPage("/start", url);
  await page.getByRole("heading", { name: "Any orchestration" }).waitFor();
  await page.waitForLoadState("networkidle");
  expect(await page.getByText("The sample").count()).toBe(0);
});

test("works below a path of another application", async () => {
  await start("below-1");
  const app = Fastify(fastifyOptions);
  onTestFinished(() => app.close());
  const endpoint = `http://${stack.address}`;
  await app.register(dtsPush, { prefix: "/push", endpoint, allowAnonymous: true });
  const url = new URL(await app.listen({ port: 0, host: "127.0.0.1" }));
  const { page, driver, complaints } = await openPage("/push/operations/below-1", url);
  await driver.status("Running");
  await page.getByRole("link", { name: "Operations", exact: true }).first().click();
  await driver.row("below-1").getByRole("link").click();
  await driver.status("Running");
  await page.getByRole("link", { name: "Start", exact: true }).click();
  await page.getByRole("heading", { name: "Any orchestration" }).waitFor();
  expect(page.url()).toBe(`${url.origin}/push/start`);
  expect(complaints).toEqual([]);
});
