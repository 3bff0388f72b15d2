import type { OrchestrationContext, TOrchestrator } from "@microsoft/durabletask-js";
import { expect, onTestFinished, test } from "vitest";
import { createSchedulerClient } from "../../src/dts/client.ts";
import { createConnection } from "../../src/dts/connection/connection.ts";
import { startWorker } from "../../src/dts/worker.ts";
import { useChromium } from "../helpers/chromium.ts";
import { logger, startTestApi, startTestScheduler } from "../helpers/stack.ts";
import { PageDriver } from "./page-driver.ts";

const openBrowser = useChromium();

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

/** A page that follows operations of another worker, by their ids. */
async function openPage(operations: Record<string, Script>) {
  const address = await startTestScheduler();
  const { url, config } = await startTestApi(address);
  const connection = createConnection(config.target);
  const worker = startWorker(
    connection,
    { orchestrators: { run_script: runScript }, activities: {} },
    logger,
  );
  onTestFinished(() => worker.stop());
  const client = createSchedulerClient(connection);
  onTestFinished(() => client.close());
  for (const [id, script] of Object.entries(operations)) {
    await client.startOrchestration({ id, name: "run_script", input: JSON.stringify(script) });
  }

  const { page, complaints } = await openBrowser();
  await page.addInitScript(
    `localStorage.setItem("dts-push.operations", ${JSON.stringify(JSON.stringify(Object.keys(operations)))})`,
  );
  const driver = await PageDriver.open(page, url);
  return { driver, page, complaints };
}

test("shows markup in custom status, result and error as the text it is", async () => {
  const { driver, page, complaints } = await openPage({
    running: { customStatus: { percent: 40, message: MARKUP } },
    speaking: { customStatus: { [MARKUP]: MARKUP } },
    done: { customStatus: MARKUP, result: { [MARKUP]: MARKUP } },
    broken: { failure: MARKUP },
    "<b>id</b>": { result: MARKUP },
  });

  for (const id of ["running", "done", "broken", "<b>id</b>"]) await driver.shows(id, MARKUP);
  await driver.shows("speaking", JSON.stringify({ [MARKUP]: MARKUP }));
  expect(await driver.percent("running")).toBe("40");
  expect(await page.locator("main :is(img, b)").count()).toBe(0);
  expect(await page.title()).toBe("dts-push");
  expect(complaints).toEqual([]);
});

test("shows a progress bar only for a percentage, and anything else as text", async () => {
  const { driver, complaints } = await openPage({
    fraction: { customStatus: { percent: 33.4 } },
    beyond: { customStatus: { percent: 101 } },
    worded: { customStatus: { percent: "50" } },
    listed: { customStatus: [1, { two: null }] },
    bare: { customStatus: "reading row 7" },
    silent: {},
  });

  await driver.shows("fraction", "33 %");
  expect(await driver.percent("fraction")).toBe("33.4");
  await driver.shows("beyond", '{"percent":101}');
  await driver.shows("worded", '{"percent":"50"}');
  await driver.shows("listed", '[1,{"two":null}]');
  await driver.shows("bare", "reading row 7");
  await driver.status("silent", "RUNNING");
  for (const id of ["beyond", "worded", "listed", "bare", "silent"]) {
    expect(await driver.percent(id)).toBeNull();
  }
  expect(complaints).toEqual([]);
});

test("shows the beginning of a large result, and its length", async () => {
  const { driver, complaints } = await openPage({ large: { result: "x".repeat(900_000) } });
  await driver.status("large", "Completed");
  expect(await driver.card("large").locator("pre").textContent()).toBe("x".repeat(2_048));
  await driver.shows("large", "The first 2,048 of 900,000 characters");
  expect(complaints).toEqual([]);
});

test("shows numbers that JavaScript cannot represent as they are on the wire", async () => {
  const numbers = { order: "9007199254740993", eta: "1e400", amount: "1.10", zero: "-0" };
  const { driver, complaints } = await openPage({
    numbers: { numbers },
    percent: { numbers: { percent: "33.40" } },
  });
  await driver.status("numbers", "Completed");
  const text = '{"order":9007199254740993,"eta":1e400,"amount":1.10,"zero":-0}';
  await driver.shows("numbers", text);
  const result = await driver.card("numbers").locator("pre").textContent();
  expect(result?.replaceAll(/\s/g, "")).toBe(text);
  await driver.shows("percent", "100 %"); // a bar, also from a number that keeps its text
  expect(complaints).toEqual([]);
});

test("shows a completed operation at 100 %, and a failed one where it stopped", async () => {
  const customStatus = { percent: 67, message: "step 2 of 3" };
  const { driver } = await openPage({
    done: { customStatus, result: "done" },
    failed: { customStatus, failure: "no third step" },
  });
  await driver.status("done", "Completed");
  await driver.status("failed", "Failed");
  expect(await driver.percent("done")).toBe("100");
  expect(await driver.percent("failed")).toBe("67");
});

test("shows a message for a result that is nested too deeply", async () => {
  const { page } = await openPage({});
  const text = await page.evaluate(`(async () => {
    const { formatJson, parseJson } = await import("/json.js");
    return formatJson(parseJson("[".repeat(200_000) + "1.10" + "]".repeat(200_000)), 2);
  })()`);
  expect(text).toBe("(nested too deeply to be shown)");
});
