import type { OrchestrationContext, TOrchestrator } from "@microsoft/durabletask-js";
import { expect, onTestFinished, test } from "vitest";
import { createSchedulerClient } from "../../src/dts/client.ts";
import { createConnection } from "../../src/dts/connection.ts";
import { startWorker } from "../../src/dts/worker.ts";
import { useChromium } from "../helpers/chromium.ts";
import { logger, startTestApi, startTestScheduler } from "../helpers/stack.ts";
import { PageDriver } from "./page-driver.ts";

const openBrowser = useChromium();

const MARKUP = '<img src="x" onerror="document.title=1"><script>document.title=1</script>';

/** An operation of a worker that is none of ours: it reports, and then ends, as it is told. */
interface Told {
  readonly customStatus?: unknown;
  readonly result?: unknown;
  readonly failure?: string;
}

const doAsTold: TOrchestrator = async function* (context: OrchestrationContext, told: Told) {
  if (told.customStatus !== undefined) context.setCustomStatus(told.customStatus);
  if (told.failure !== undefined) throw new Error(told.failure);
  if (told.result === undefined) yield context.waitForExternalEvent("never");
  return told.result;
};

/** A page that follows operations of a foreign worker, by their ids. */
async function openPage(operations: Record<string, Told>) {
  const address = await startTestScheduler();
  const { url, config } = await startTestApi(address);
  const connection = createConnection(config.target);
  const worker = startWorker(
    connection,
    { orchestrators: { do_as_told: doAsTold }, activities: {} },
    logger,
  );
  onTestFinished(() => worker.stop());
  const client = createSchedulerClient(connection);
  onTestFinished(() => client.close());
  for (const [id, told] of Object.entries(operations)) {
    await client.startOrchestration("do_as_told", told, id);
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

test("shows a bar only for a percentage, and anything else as text", async () => {
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

test("shows the beginning of a large result, and says how much is missing", async () => {
  const { driver, complaints } = await openPage({ large: { result: "x".repeat(900_000) } });
  await driver.status("large", "Completed");
  expect(await driver.card("large").locator("pre").textContent()).toBe("x".repeat(2_048));
  await driver.shows("large", "The first 2,048 of 900,000 characters");
  expect(complaints).toEqual([]);
});
