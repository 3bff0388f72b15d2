/** The list of a task hub with 10,000 operations. */

import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { fillWithFinished } from "../../bench/support/fill.ts";
import { FAILED } from "../../src/scheduler/protocol/status.ts";
import { useChromium } from "../helpers/chromium.ts";
import { eventually } from "../helpers/deadline.ts";
import { temporaryFolder } from "../helpers/process.ts";
import { startTestApi, startTestScheduler } from "../helpers/stack.ts";
import { PageDriver } from "./page-driver.ts";

const openBrowser = useChromium();

const COUNT = 10_000;
/** Every so many operations one has failed. */
const FAILED_EVERY = 50;
/** Dozens of pages are loaded one after the other. */
const SCROLL_WITHIN_MS = 200_000;

/** A server of a task hub with `finished-1`, the newest one, to `finished-10000`. */
async function startFilled(): Promise<URL> {
  const file = join(await temporaryFolder(), "scheduler.db");
  fillWithFinished(file, COUNT);
  const db = new DatabaseSync(file);
  db.exec(`UPDATE instances SET status = ${FAILED} WHERE key % ${FAILED_EVERY} = 0`);
  db.close();
  const { url } = await startTestApi(await startTestScheduler(file));
  return url;
}

test("10,000 operations can be scrolled through and filtered, and the DOM holds what is seen (PAGE-1, PAGE-3)", async () => {
  const url = await startFilled();
  const { page, complaints } = await openBrowser();
  const driver = await PageDriver.open(page, url, "/?status=CANCELED");
  const status = (name: RegExp) =>
    page.getByRole("group", { name: "Status" }).getByRole("button", { name });
  /** Scrolls until the last operation is there, and the page says that it is the last one. */
  const scrollToEnd = (count: number, id: string) =>
    eventually(
      `the end of ${count} operations`,
      async () => {
        const nodes = await page.evaluate(`scrollTo(0, document.documentElement.scrollHeight);
          document.querySelector(".rows").childNodes.length`);
        expect(nodes).toBeLessThan(300);
        const end = page.getByText(`${count.toLocaleString("en")} operations`, { exact: true });
        return (await end.isVisible()) && driver.row(id).isVisible();
      },
      SCROLL_WITHIN_MS,
    );

  await page.getByText("No operation matches").waitFor();
  await status(/Completed 980\+$/).waitFor();
  await status(/Canceled 0/).click(); // none of them is older than the feed, others are
  await scrollToEnd(COUNT, `finished-${COUNT}`);
  await status(/Completed 9,800$/).waitFor();
  await status(/Failed 200$/).click();
  await scrollToEnd(COUNT / FAILED_EVERY, `finished-${COUNT}`);
  await status(/Failed 200$/).waitFor();
  await page.evaluate("scrollTo(0, 0)");
  await driver.rowShows(`finished-${FAILED_EVERY}`, "Failed");
  await page.getByLabel("Id begins with").fill("finished-99");
  await scrollToEnd(2, "finished-9900");
  expect(complaints).toEqual([]);
});
