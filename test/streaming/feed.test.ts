import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { sdkClient } from "../helpers/sdk.ts";
import { type ReceivedEvent, SseClient } from "../helpers/sse-client.ts";
import { startStack, startTestApi, startTestScheduler, startTestWorker } from "../helpers/stack.ts";

const QUICK = { pollMinMs: 20, pollMaxMs: 60, heartbeatMs: 3_600_000 };

const idOf = (event: ReceivedEvent): string => event.data.operation.operation_id;

/** The events up to the heartbeat that says the present is reached. */
async function present(client: SseClient): Promise<ReceivedEvent[]> {
  const events: ReceivedEvent[] = [];
  for (;;) {
    const event = await client.next("the feed's content");
    if (event.event === "heartbeat") return events;
    events.push(event);
  }
}

/** The next events about one operation, up to its end. */
async function untilEnd(client: SseClient, id: string): Promise<ReceivedEvent[]> {
  const events: ReceivedEvent[] = [];
  for (;;) {
    const event = await client.nextState();
    if (event.data.operation?.operation_id !== id) continue;
    events.push(event);
    if (event.data.operation.status === "Completed") return events;
  }
}

test("the feed begins with all operations, newest first, and new ones appear by themselves", async () => {
  const stack = await startStack(QUICK);
  const before: string[] = [];
  for (let count = 0; count < 5; count += 1) {
    before.push(await stack.startOperation({ processing_time: count === 4 ? 2 : 0 }));
  }
  const client = await SseClient.connect(new URL("/api/events", stack.url));
  const shown = await present(client);
  // The one that runs may have moved on meanwhile.
  const snapshots = shown.filter(({ event }) => event === "snapshot");
  expect(snapshots.map(idOf).sort()).toEqual([...before].sort());
  const created = snapshots.map(({ data }) => data.operation.created_at);
  expect(created).toEqual([...created].sort().reverse());
  const id = await stack.startOperation({ processing_time: 1, steps: 2 });
  const events = await untilEnd(client, id);
  expect(events[0]?.event).toBe("snapshot");
  expect(events.at(-1)?.data.operation.result.operation_id).toBe(id);
});

test("an operation that starts and ends between two sweeps is shown", async () => {
  const stack = await startStack({ ...QUICK, pollMinMs: 500, pollMaxMs: 500 });
  const client = await SseClient.connect(new URL("/api/events", stack.url));
  expect(await present(client)).toEqual([]);
  const id = await stack.startOperation({ processing_time: 0 });
  const received = await untilEnd(client, id);
  expect(received[0]?.event).toBe("snapshot");
  expect(received.at(-1)?.data.operation.status).toBe("Completed");
});

test("a prefix narrows the feed", async () => {
  const stack = await startStack(QUICK);
  const id = await stack.startOperation({ processing_time: 0 });
  await stack.startOperation({ processing_time: 0 });
  const url = new URL(`/api/events?prefix=${id.slice(0, 13)}`, stack.url);
  const client = await SseClient.connect(url);
  expect((await present(client)).map(idOf)).toEqual([id]);
  const bad = await fetch(new URL("/api/events?prefix=@x", stack.url));
  expect(bad.status).toBe(400);
});

test("a feed resumed at any replica sends what changed since, and nothing else (C4)", async () => {
  const address = await startTestScheduler();
  startTestWorker(address);
  const one = await startTestApi(address, QUICK);
  const two = await startTestApi(address, QUICK);
  const done = await Promise.all(
    Array.from({ length: 20 }, () => one.startOperation({ processing_time: 0 })),
  );
  const running = await one.startOperation({ processing_time: 2, steps: 1 });
  const client = await SseClient.connect(new URL("/api/events", one.url));
  const seen = new Map<string, string>();
  const settled = () =>
    done.every((id) => seen.get(id) === "Completed") && seen.get(running) === "RUNNING";
  let last: string | undefined;
  while (!settled() || last === undefined) {
    const { id, data } = await client.next("every operation");
    last = id ?? last;
    if (data.operation) seen.set(data.operation.operation_id, data.operation.status);
  }
  client.destroy();
  const started = await one.startOperation({ processing_time: 0 });
  const resumed = await SseClient.connect(new URL("/api/events", two.url), {
    "last-event-id": last ?? "",
  });
  expect(new Set((await present(resumed)).map(idOf))).toEqual(new Set([started]));
  expect((await untilEnd(resumed, running)).map(({ event }) => event)).toEqual(["update"]);
});

test("a hundred subscribers of a feed cause the same queries as one (FEED-1)", async () => {
  const stack = await startStack(QUICK);
  await stack.startOperation({ processing_time: 3 });
  const url = new URL("/api/events", stack.url);
  const queries = async () => {
    const text = await (await fetch(new URL("/metrics", stack.url))).text();
    return Number(/rpc="QueryInstances",result="found"} (\d+)/.exec(text)?.[1] ?? 0);
  };
  const clients = await Promise.all(Array.from({ length: 100 }, () => SseClient.connect(url)));
  for (const client of clients) await present(client);
  // One first pass, and two queries for each later one, as for a single follower.
  const startedMs = Date.now();
  const before = await queries();
  await eventually("twenty more queries", async () => (await queries()) >= before + 20);
  const intervals = (Date.now() - startedMs) / QUICK.pollMinMs;
  expect((await queries()) - before).toBeLessThan(2 * intervals + 10);
});

test("of more operations than it carries, the feed begins with the newest, and says so", async () => {
  const address = await startTestScheduler();
  const api = await startTestApi(address, QUICK);
  const client = sdkClient(address);
  const start = (from: number, count: number) =>
    Promise.all(
      Array.from({ length: count }, (_, index) =>
        client.scheduleNewOrchestration("nobody-runs-this", undefined, `op-${from + index}`),
      ),
    );
  await start(0, 700);
  await start(700, 900);
  const stream = await SseClient.connect(new URL("/api/events", api.url));
  const shown: string[] = [];
  let problem: string | undefined;
  while (shown.length < 1000 || problem === undefined) {
    const { event, data } = await stream.next();
    if (event === "snapshot") shown.push(data.operation.operation_id);
    if (event === "problem") problem = data.problem.type;
  }
  expect(problem).toBe("urn:dts-push:problem:feed-truncated");
  expect(new Set(shown).size).toBe(1000);
  const newest = shown.map((id) => Number(id.slice(3))).filter((number) => number >= 700);
  expect(newest).toHaveLength(900);
  await start(2000, 1);
  expect((await stream.nextState()).data.operation.operation_id).toBe("op-2000");
});

test("a first load that was cut off resumes there, at any replica (C4)", async () => {
  const address = await startTestScheduler();
  const client = sdkClient(address);
  const ids = Array.from({ length: 100 }, (_, index) => `op-${index}`);
  for (const id of ids) {
    // Dates are in milliseconds. Those of the same one are repeated where the cut is among them, and
    // where they are the newest, both stay named.
    await setTimeout(2);
    await client.scheduleNewOrchestration("nobody-runs-this", undefined, id);
  }
  const replica = () => startTestApi(address, { ...QUICK, heartbeatMs: 50 });
  const urls = (await Promise.all([replica(), replica()])).map(
    ({ url }) => new URL("/api/events", url),
  );
  // A watermark names all but the newest state by time once a replica has read for 5 s.
  const settled = async (url: URL) => {
    const waiting = await SseClient.connect(url);
    for (;;) {
      const { event, id } = await waiting.next("a heartbeat", 60_000);
      if (event === "heartbeat" && id && (id.split(".")[3] ?? "").length <= 6) break;
    }
    waiting.destroy();
  };
  await Promise.all(urls.map(settled));
  const seen: string[] = [];
  let last = "";
  for (const url of urls) {
    const stream = await SseClient.connect(url, last ? { "last-event-id": last } : {});
    for (let count = last ? 60 : 40; count > 0; count -= 1) {
      const event = await stream.nextState();
      seen.push(idOf(event));
      last = event.id ?? "";
    }
    stream.destroy();
  }
  expect(seen.toSorted()).toEqual(ids.toSorted());
});
