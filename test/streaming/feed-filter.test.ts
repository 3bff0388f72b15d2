import { expect, test } from "vitest";
import type { Instance } from "../../src/dts/instance.ts";
import { problemOf } from "../api/support/problem.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";

/* Feeds that the server filters, over real sockets and from replica to replica. */

const QUICK = { pollMinMs: 20, pollMaxMs: 60, heartbeatMs: 100 };
const START_MS = Date.now() - 3_600_000;

async function start(instances: readonly (Partial<Instance> & { id: string })[]) {
  const scheduler = await ScriptedScheduler.start(
    instances.map((each, index) =>
      instance({ createdAtMs: START_MS + index, lastUpdatedAtMs: START_MS + index, ...each }),
    ),
  );
  const replica = async () => (await startTestApi(scheduler.address, QUICK)).url;
  const urls = await Promise.all([replica(), replica()]);
  const follow = (query: string, replica = 0, after = "") =>
    SseClient.connect(
      new URL(`/api/events?${query}`, urls[replica]),
      after ? { "last-event-id": after } : {},
    );
  let nowMs = START_MS + 60_000;
  const set = (id: string, change: Partial<Instance>) => {
    nowMs += 1000;
    scheduler.set(id, { lastUpdatedAtMs: nowMs, ...change });
  };
  return { scheduler, urls, follow, set };
}

/** One event in a few words; `undefined` for a heartbeat. */
function brief({ event, data }: { event: string; data: Record<string, never> }) {
  if (event === "removed") return `removed ${data.operation_id}`;
  const { operation } = data as { operation?: { operation_id: string; status: string } };
  return operation && `${event} ${operation.operation_id} ${operation.status}`;
}

/** The events up to the heartbeat with which the client has caught up, and the last id. */
async function caughtUp(client: SseClient) {
  const events: string[] = [];
  for (;;) {
    const received = await client.next("a heartbeat with an id");
    const text = brief(received as never);
    if (text) events.push(text);
    if (received.event === "heartbeat" && received.id) return { events, id: received.id };
  }
}

async function nextChange(client: SseClient) {
  for (;;) {
    const text = brief((await client.next("a change")) as never);
    if (text) return text;
  }
}

test("a feed by status sends what begins to match, changes, and ceases to match", async () => {
  const { follow, set } = await start([
    { id: "a" },
    { id: "b", status: "COMPLETED" },
    { id: "c", status: "PENDING" },
  ]);
  const client = await follow("status=RUNNING&status=SUSPENDED");
  expect((await caughtUp(client)).events).toEqual(["snapshot a RUNNING"]);
  set("c", { status: "RUNNING" });
  expect(await nextChange(client)).toBe("snapshot c RUNNING");
  set("c", { status: "SUSPENDED" });
  expect(await nextChange(client)).toBe("update c SUSPENDED");
  set("a", { status: "COMPLETED" });
  expect(await nextChange(client)).toBe("removed a");
  set("new", { status: "RUNNING", createdAtMs: START_MS + 120_000 });
  expect(await nextChange(client)).toBe("snapshot new RUNNING");
});

test("a resume at another replica removes what ceased to match meanwhile (C4)", async () => {
  const { follow, set } = await start([{ id: "a" }, { id: "b" }, { id: "c", status: "PENDING" }]);
  const first = await follow("status=RUNNING");
  const before = await caughtUp(first);
  expect(before.events).toEqual(["snapshot b RUNNING", "snapshot a RUNNING"]);
  first.destroy();
  set("a", { status: "COMPLETED" });
  set("c", { status: "RUNNING" });
  const second = await follow("status=RUNNING", 1, before.id);
  const after = await caughtUp(second);
  expect(after.events).toEqual(["removed a", "snapshot c RUNNING"]);
  second.destroy();
  const third = await follow("status=RUNNING", 0, after.id);
  expect((await caughtUp(third)).events).toEqual([]);
});

test("the id of a feed with another filter counts as none", async () => {
  const { follow } = await start([{ id: "a" }, { id: "b", status: "COMPLETED" }]);
  const { id } = await caughtUp(await follow("status=RUNNING&name=test&name=other"));
  const same = await follow("name=other&status=RUNNING&name=test", 1, id);
  expect(await caughtUp(same)).toMatchObject({ events: [] });
  for (const other of [
    "",
    "status=RUNNING",
    "status=RUNNING&name=test",
    "prefix=a&status=RUNNING",
  ]) {
    const client = await follow(other, 1, id);
    const first = await client.next();
    expect(first.data.resumed, other).toBe(false);
    const { events } = await caughtUp(client);
    expect([brief(first as never), ...events], other).toContain("snapshot a RUNNING");
  }
});

test("feeds by name, tag and prefix; a restart may cease to match", async () => {
  const blue = { tags: { team: "blue" } };
  const { scheduler, follow, set } = await start([
    { id: "x-1", name: "ship", ...blue },
    { id: "x-2", name: "bill", ...blue },
    { id: "x-3", name: "ship", tags: { team: "red" } },
    { id: "y-4", name: "ship", ...blue },
  ]);
  const client = await follow("prefix=x-&name=ship&tag=team:blue");
  expect((await caughtUp(client)).events).toEqual(["snapshot x-1 RUNNING"]);
  set("x-2", { status: "FAILED" });
  set("x-1", { status: "COMPLETED" });
  expect(await nextChange(client)).toBe("update x-1 Completed");
  const createdAtMs = START_MS + 200_000;
  scheduler.set("x-1", {
    name: "bill",
    status: "RUNNING",
    createdAtMs,
    lastUpdatedAtMs: createdAtMs,
  });
  expect(await nextChange(client)).toBe("removed x-1");
});

test("a filter beside ids, and one that is not possible, are 400", async () => {
  const { urls } = await start([]);
  for (const [query, detail] of [
    ["operation_id=a&status=RUNNING", /^"operation_id" and "status" exclude each other\.$/],
    ["operation_id=a&tag=a:b", /^"operation_id" and "tag" exclude each other\.$/],
    ["operation_id=a&detail=steps&name=x", /"operation_id", and no "name"\.$/],
    ["status=running", /^"status" must be one of/],
    ["tag=blue", /^"tag" must be a tag as "key:value"\.$/],
  ] as const) {
    const response = await fetch(new URL(`/api/events?${query}`, urls[0]));
    expect((await problemOf(response, 400, "invalid-query", query)).detail).toMatch(detail);
  }
});
