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
 * Runs in the browser: a plain EventSource, which ignores our `bye` and so never closes itself. Resolves with every event it received, once it has given up.
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

/**
 * Follows an operation as `listenUntilItGivesUp` does; also returns the status of every answer.
 * @param onAnswer called at each answer, with the number of answers so far
 */
async function follow(url: URL, id: string, onAnswer = (_count: number): unknown => undefined) {
  const { page } = await openBrowser();
  await page.goto(new URL("/healthz", url).href); // any page of this origin that runs no script
  const path = `/api/operations/${id}/events`;
  const statuses: number[] = [];
  page.on("response", (response) => {
    if (new URL(response.url()).pathname === path) onAnswer(statuses.push(response.status()));
  });
  const seen = await page.evaluate(listenUntilItGivesUp, path);
  const states = seen.filter(({ type }) => type === "snapshot" || type === "update");
  return { seen, states, statuses };
}

function statusesOf(states: readonly SeenEvent[]): string[] {
  return states.map(({ data }) => (data.operation as { status: string }).status);
}

test("an unmodified EventSource gets the terminal state once, and 204 stops it (C3)", async () => {
  const { url, startOperation } = await startStack();
  const id = await startOperation({ processing_time: 1, steps: 4 });

  const { seen, states, statuses } = await follow(url, id);

  expect(states.map(({ type }) => type)).toEqual([
    "snapshot",
    ...states.slice(1).map(() => "update"),
  ]);
  expect(new Set(states.map(({ id }) => id)).size).toBe(states.length); // C2: no state twice
  expect(statusesOf(states).filter((status) => status === "Completed")).toHaveLength(1);
  expect(states.at(-1)?.data.operation).toMatchObject({
    status: "Completed",
    custom_status: { percent: 100 },
  });
  expect(seen.at(-1)).toMatchObject({ type: "bye", data: { reason: "terminal" } });
  expect(statuses).toEqual([200, 204]);
});

test("after each rotation EventSource reconnects by itself, and gets nothing twice (C4)", async () => {
  const { url, startOperation, terminate } = await startStack({ streamMaxAgeMs: 500 });
  const id = await startOperation({ processing_time: 100, steps: 100 });
  const onAnswer = (count: number) => count === 2 && terminate(id);

  const { seen, states, statuses } = await follow(url, id, onAnswer);

  const reasons = seen.filter(({ type }) => type === "bye").map(({ data }) => data.reason);
  expect(reasons.slice(0, -1)).toContain("rotate");
  expect(reasons.at(-1)).toBe("terminal");
  expect(new Set(states.map(({ id }) => id)).size).toBe(states.length);
  expect(statusesOf(states).filter((status) => status === "TERMINATED")).toHaveLength(1);
  expect(statuses).toEqual([...reasons.map(() => 200), 204]);
});
