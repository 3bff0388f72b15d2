import { expect, test } from "vitest";
import { useChromium } from "../helpers/chromium.ts";
import { startStack } from "../helpers/stack.ts";

const openBrowser = useChromium();

interface SeenEvent {
  readonly type: string;
  readonly id: string;
  readonly data: { readonly [key: string]: unknown };
}

/**
 * Runs in the browser: an EventSource as anybody would write it, that does not know of our `bye` and
 * so never closes itself. Resolves with all that it was told, once it has given up.
 */
function listenUntilItGivesUp(url: string): Promise<SeenEvent[]> {
  return new Promise((resolve) => {
    const seen: SeenEvent[] = [];
    const source = new EventSource(url);
    for (const type of ["snapshot", "update", "heartbeat", "problem", "bye"]) {
      source.addEventListener(type, (event) => {
        const { lastEventId, data } = event as MessageEvent;
        seen.push({ type, id: lastEventId, data: JSON.parse(data) });
      });
    }
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) resolve(seen);
    };
  });
}

test("C3: an unmodified EventSource is told of the end once, and 204 stops it", async () => {
  const { url, startOperation } = await startStack();
  const { page } = await openBrowser();
  await page.goto(new URL("/healthz", url).href); // any page of this origin that runs no script
  const eventsUrl = `/api/operations/${await startOperation({ processing_time: 2, steps: 4 })}/events`;
  const statuses: number[] = [];
  page.on("response", (answer) => {
    if (new URL(answer.url()).pathname === eventsUrl) statuses.push(answer.status());
  });

  const seen = await page.evaluate(listenUntilItGivesUp, eventsUrl);

  const states = seen.filter(({ type }) => type === "snapshot" || type === "update");
  const operations = states.map(({ data }) => data.operation as { status: string });
  expect(states[0]?.type).toBe("snapshot");
  expect(states.slice(1).every(({ type }) => type === "update")).toBe(true);
  expect(new Set(states.map(({ id }) => id)).size).toBe(states.length); // C2: no state twice
  expect(operations.filter(({ status }) => status === "Completed")).toHaveLength(1);
  expect(operations.at(-1)).toMatchObject({ status: "Completed", custom_status: { percent: 100 } });
  expect(seen.at(-1)).toMatchObject({ type: "bye", data: { reason: "terminal" } });
  expect(statuses).toEqual([200, 204]);
});
