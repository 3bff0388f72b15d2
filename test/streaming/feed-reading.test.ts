import { expect, test } from "vitest";
import type { Instance } from "../../src/dts/instance.ts";
import { eventually } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";

/* How feeds learn of what has happened, against a scheduler whose dates the test decides. */

const QUICK = { pollMinMs: 20, pollMaxMs: 60, heartbeatMs: 100 };
const START_MS = 1_700_000_000_000;

async function start(overrides: Partial<typeof QUICK> = {}) {
  const scheduler = await ScriptedScheduler.start();
  const api = await startTestApi(scheduler.address, { ...QUICK, ...overrides });
  const put = (id: string, change: Partial<Instance>) => {
    const present = scheduler.get(id);
    scheduler.set(id, { ...(present ?? instance({ id, createdAtMs: START_MS })), ...change });
  };
  const follow = (query = "") => SseClient.connect(new URL(`/api/events${query}`, api.url));
  return { scheduler, api, put, follow };
}

/** The next state of an operation that the feed shows. */
async function next(client: SseClient, id: string) {
  for (;;) {
    const { data } = await client.nextState();
    if (data.operation?.operation_id === id) return data.operation;
  }
}

/** Reads until the first heartbeat with an id: the feed has caught up. */
async function caughtUp(client: SseClient): Promise<string[]> {
  const shown: string[] = [];
  for (;;) {
    const { event, id, data } = await client.next("a heartbeat with an id");
    if (data.operation) shown.push(`${data.operation.operation_id} ${data.operation.status}`);
    if (event === "heartbeat" && id) return shown.sort();
  }
}

test("an operation that fails, is rewound and ends between two sweeps is shown in its new terminal state", async () => {
  const { put, follow } = await start();
  put("rewound", { status: "FAILED", failure: { type: "E", message: "1" } });
  put("newer", { createdAtMs: START_MS + 60_000, lastUpdatedAtMs: START_MS + 60_000 });
  const client = await follow();
  expect(await caughtUp(client)).toEqual(["newer RUNNING", "rewound Failed"]);
  put("rewound", { status: "RUNNING", failure: undefined, lastUpdatedAtMs: START_MS + 61_000 });
  put("rewound", { status: "COMPLETED", output: "1", lastUpdatedAtMs: START_MS + 62_000 });
  expect(await next(client, "rewound")).toMatchObject({ status: "Completed", result: 1 });
  const fresh = await follow();
  expect(await caughtUp(fresh)).toEqual(["newer RUNNING", "rewound Completed"]);
});

test("a purged operation that had ended is not shown to new clients", async () => {
  const { scheduler, put, follow } = await start();
  put("purged", { status: "COMPLETED" });
  put("kept", { status: "COMPLETED" });
  const first = await follow();
  expect(await caughtUp(first)).toEqual(["kept Completed", "purged Completed"]);
  scheduler.purge("purged");
  await eventually("the purge to be noticed", async () => {
    const client = await follow();
    const shown = await caughtUp(client);
    client.destroy();
    return shown.length === 1;
  });
});

test("new operations are found although the scheduler's clock was set back by an hour", async () => {
  const { put, follow } = await start();
  put("old", { createdAtMs: START_MS, lastUpdatedAtMs: START_MS });
  const client = await follow();
  await caughtUp(client);
  for (const index of [1, 2]) {
    const dateMs = START_MS - 3_600_000 + index * 1000;
    put(`new-${index}`, { createdAtMs: dateMs, lastUpdatedAtMs: dateMs, status: "COMPLETED" });
    expect((await next(client, `new-${index}`)).status).toBe("Completed");
  }
});

test("an operation whose states stay dated before its last one is shown", async () => {
  const { put, follow } = await start();
  put("op", { lastUpdatedAtMs: START_MS + 5 });
  const client = await follow();
  await caughtUp(client);
  put("op", { status: "COMPLETED", lastUpdatedAtMs: START_MS });
  expect((await next(client, "op")).status).toBe("Completed");
});

test("the feeds of a hundred prefixes are read by the queries of one (FEED-1)", async () => {
  const { scheduler, put, follow } = await start();
  for (let index = 0; index < 100; index += 1) put(`p${index}-op`, {});
  const clients = await Promise.all(
    Array.from({ length: 100 }, (_, index) => follow(`?prefix=p${index}-`)),
  );
  await Promise.all(clients.map(caughtUp));
  const queries = () => scheduler.countOf("queryInstances");
  await eventually("the first loads to be over", () => queries() > 200);
  scheduler.calls.length = 0;
  await eventually("some queries", () => queries() >= 30);
  // One query an interval for all, at most one for a check, and sweeps: not one for each prefix.
  const count = queries();
  put("p7-new", { createdAtMs: START_MS + 1, lastUpdatedAtMs: START_MS + 1 });
  expect((await next(clients[7] as SseClient, "p7-new")).status).toBe("RUNNING");
  expect(count).toBeLessThan(200);
});

test("the heartbeat's as_of is the time at which the reads were sent, null until caught up", async () => {
  const { scheduler, put, follow } = await start();
  put("op", {});
  const client = await follow();
  await caughtUp(client);
  scheduler.fault = { kind: "held" };
  const silentFromMs = Date.now();
  for (let count = 0; count < 8; count += 1) {
    const { event, data } = await client.next();
    if (event === "heartbeat") expect(Date.parse(data.as_of)).toBeLessThanOrEqual(silentFromMs);
  }
  scheduler.fault = { kind: "none" };
  await eventually("as_of to advance", async () => {
    const { event, data } = await client.next();
    return event === "heartbeat" && Date.parse(data.as_of) > silentFromMs;
  });
});
