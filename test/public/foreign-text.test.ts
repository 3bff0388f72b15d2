import type { OrchestrationContext, TOrchestrator } from "@microsoft/durabletask-js";
import { expect, test } from "vitest";
import { readConfig } from "../../src/config.ts";
import { createSchedulerClient } from "../../src/dts/client.ts";
import { createConnection } from "../../src/dts/connection/connection.ts";
import { startWorker } from "../../src/dts/worker.ts";
import { useSharedStack } from "../api/support/shared-stack.ts";
import { useChromium } from "../helpers/chromium.ts";
import { eventually } from "../helpers/deadline.ts";
import { onEnd, share } from "../helpers/lifetime.ts";
import { logger } from "../helpers/stack.ts";
import { PageDriver } from "./page-driver.ts";

const MARKUP = '<img src="x" onerror="document.title=1"><script>document.title=1</script>';

/** What an operation of another worker reports, and how it ends. With neither end it stays active. */
interface Script {
  readonly customStatus?: unknown;
  readonly result?: unknown;
  readonly failure?: string;
  /** JSON texts of numbers, by name: the custom status, and the result. */
  readonly numbers?: Record<string, string>;
}

const runScript: TOrchestrator = async function* (context: OrchestrationContext, script: Script) {
  const numbers = script.numbers && asWritten(script.numbers);
  const { customStatus = numbers, result = numbers, failure } = script;
  if (customStatus !== undefined) context.setCustomStatus(customStatus);
  if (failure !== undefined) throw new Error(failure);
  if (result === undefined) yield context.waitForExternalEvent("never");
  return result;
};

/** Numbers that `JSON.stringify` writes as these texts. */
function asWritten(numbers: Record<string, string>): Record<string, unknown> {
  const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown };
  return Object.fromEntries(Object.entries(numbers).map(([name, text]) => [name, rawJSON(text)]));
}

const openBrowser = useChromium();
const stack = useSharedStack();
const worker = share(async () => {
  const target = { ...readConfig({}).target, address: stack.address };
  const connection = createConnection(target);
  const running = startWorker(
    connection,
    { orchestrators: { run_script: runScript }, activities: {} },
    logger,
  );
  onEnd(() => running.stop());
  const client = createSchedulerClient(connection);
  onEnd(() => client.close());
  return { client };
});

/** The list of operations of another worker, by their ids. */
async function openPage(prefix: string, operations: Record<string, Script>) {
  for (const [id, script] of Object.entries(operations)) {
    const input = JSON.stringify(script);
    await worker.client.startOrchestration({ id: prefix + id, name: "run_script", input });
  }
  const { page, complaints } = await openBrowser();
  const driver = await PageDriver.open(page, stack.url, `/?prefix=${prefix}`);
  return { driver, page, complaints };
}

test("shows markup in custom status, result and error as the text it is", async () => {
  const { driver, page, complaints } = await openPage("m-", {
    running: { customStatus: { percent: 40, message: MARKUP } },
    speaking: { customStatus: { [MARKUP]: MARKUP } },
    done: { customStatus: MARKUP, result: { [MARKUP]: MARKUP } },
    broken: { failure: MARKUP },
    "<b>id</b>": { customStatus: MARKUP },
  });
  for (const id of ["m-running", "m-done", "m-broken", "m-<b>id</b>"]) {
    await driver.rowShows(id, MARKUP);
  }
  await driver.rowShows("m-speaking", JSON.stringify({ [MARKUP]: MARKUP }));
  expect(await driver.percent(driver.row("m-running"))).toBe(40);
  await page.getByRole("link", { name: "run_script" }).and(page.locator('[href*="done"]')).click();
  await page
    .getByLabel("Result", { exact: true })
    .getByText(JSON.stringify(MARKUP))
    .first()
    .waitFor();
  expect(await page.locator("main :is(img, b)").count()).toBe(0);
  expect(await page.title()).toBe("Completed: run_script · dts-push");
  await page.goto(new URL("/operations/m-broken", stack.url).href);
  const broken = page.getByLabel("Stack", { exact: true }).getByText(`${MARKUP}\n    at `);
  await broken.waitFor();
  expect(await page.locator("main :is(img, b)").count()).toBe(0);
  expect(complaints).toEqual([]);
});

test("shows a progress bar only for a percentage, and anything else as text", async () => {
  const customStatus = { percent: 67, message: "step 2 of 3" };
  const { driver, complaints } = await openPage("p-", {
    fraction: { customStatus: { percent: 33.4 } },
    beyond: { customStatus: { percent: 101 } },
    worded: { customStatus: { percent: "50" } },
    listed: { customStatus: [1, { two: null }] },
    bare: { customStatus: "reading row 7" },
    silent: {},
    done: { customStatus, result: "done" },
    failed: { customStatus, failure: "no third step" },
  });
  await driver.rowShows("p-fraction", "33 %");
  await driver.rowShows("p-beyond", '{"percent":101}');
  await driver.rowShows("p-worded", '{"percent":"50"}');
  await driver.rowShows("p-listed", '[1,{"two":null}]');
  await driver.rowShows("p-bare", "reading row 7");
  await driver.rowShows("p-silent", "Running");
  await driver.rowShows("p-done", "Completed");
  await driver.rowShows("p-failed", "no third step");
  const percent = (id: string) => driver.percent(driver.row(id));
  expect(await percent("p-fraction")).toBe(33.4);
  for (const id of ["p-beyond", "p-worded", "p-listed", "p-bare", "p-silent"]) {
    expect(await percent(id)).toBeUndefined();
  }
  expect(await percent("p-done")).toBe(100);
  expect(await percent("p-failed")).toBe(67);
  expect(complaints).toEqual([]);
});

test("shows a large result cut, and numbers that JavaScript cannot represent as they are", async () => {
  const numbers = { order: "9007199254740993", eta: "1e400", amount: "1.10", zero: "-0" };
  const { driver, page, complaints } = await openPage("n-", {
    large: { result: "x".repeat(900_000) },
    numbers: { numbers },
    float: { numbers: { percent: "50.0" }, failure: "enough" },
  });
  const text = '{"order":9007199254740993,"eta":1e400,"amount":1.10,"zero":-0}';
  await driver.rowShows("n-large", "Completed");
  await driver.rowShows("n-float", "50 %");
  await driver.rowShows("n-numbers", text);
  const another = await page.context().newPage(); // gets what it shows through the first
  const tab = await PageDriver.open(another, stack.url, "/?prefix=n-");
  await tab.rowShows("n-numbers", text);
  await another.close();
  const result = page.getByLabel("Result", { exact: true });
  await page.goto(new URL("/operations/n-large", stack.url).href);
  await page.getByText("900,000 characters").waitFor();
  expect(await result.textContent()).toBe(`${"x".repeat(20_000)}…`);
  await page.goto(new URL("/operations/n-numbers", stack.url).href);
  await eventually("the numbers of the wire", async () => {
    return (await result.textContent())?.replaceAll(/\s/g, "") === text;
  });
  expect(complaints).toEqual([]);
});

test("shows a message for a result that is nested too deeply", async () => {
  const { page } = await openBrowser();
  await page.goto(stack.url.href);
  const text = await page.evaluate(`(async () => {
    const { formatJson, parseJson } = await import("/parts/json-text.js");
    return formatJson(parseJson("[".repeat(200_000) + "1.10" + "]".repeat(200_000)), 2);
  })()`);
  expect(text).toBe("(nested too deeply to be shown)");
});
