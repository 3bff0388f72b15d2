import { expect, test } from "vitest";
import type { Config } from "../../src/config.ts";
import type { Instance } from "../../src/dts/instance.ts";
import { createKey, createKeyFile } from "../helpers/api-key.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";
import { type Message, WsClient } from "../helpers/ws-client.ts";

/* Feeds over WebSocket, over real sockets and from replica to replica. */

const QUICK = { pollMinMs: 20, pollMaxMs: 60, heartbeatMs: 100 };
const START_MS = Date.now() - 3_600_000;

async function start(ids: readonly string[], config: Partial<Config> = {}) {
  const dates = { createdAtMs: START_MS, lastUpdatedAtMs: START_MS };
  const scheduler = await ScriptedScheduler.start(ids.map((id) => instance({ id, ...dates })));
  const replica = async () => (await startTestApi(scheduler.address, { ...QUICK, ...config })).url;
  const urls = [await replica(), await replica()] as const;
  let nowMs = START_MS + 60_000;
  const set = (id: string, change: Partial<Instance>) => {
    nowMs += 1000;
    scheduler.set(id, { createdAtMs: START_MS, lastUpdatedAtMs: nowMs, ...change });
  };
  return { scheduler, urls, set };
}

/** One message in a few words; `undefined` for a heartbeat. */
function brief({ type, operation, operation_id }: Message): string | undefined {
  if (type === "removed") return `removed ${operation_id}`;
  return operation && `${type} ${operation_id} ${operation.status}`;
}

/** The events of a feed up to the heartbeat with which the client has caught up, and its watermark. */
async function caughtUp(client: WsClient, sub: string) {
  const events: string[] = [];
  for (;;) {
    const message = await client.next("the feed's heartbeat");
    const text = brief(message);
    if (text) events.push(text);
    if (message.sub !== sub || message.type !== "heartbeat" || message.as_of === null) continue;
    return { events: events.sort(), after: message.cursor as string };
  }
}

async function nextChange(client: WsClient): Promise<string> {
  for (;;) {
    const text = brief(await client.next("a change"));
    if (text) return text;
  }
}

const subscribed = (resumed: boolean) => ({ type: "subscribed", sub: "f", resumed });

test("a feed sends what matches, resumes at another replica and on the other transport (C4)", async () => {
  const { scheduler, urls, set } = await start(["a", "b"]);
  const dates = { createdAtMs: START_MS, lastUpdatedAtMs: START_MS };
  scheduler.set("c", { status: "PENDING", ...dates });
  const feed = { status: ["RUNNING", "SUSPENDED"], prefix: "" };
  const one = await WsClient.connect(urls[0]);
  one.send({ type: "subscribe", sub: "f", feed });
  expect(await one.next()).toEqual(subscribed(false));
  expect((await caughtUp(one, "f")).events).toEqual(["snapshot a RUNNING", "snapshot b RUNNING"]);
  set("c", { status: "RUNNING" });
  expect(await nextChange(one)).toBe("snapshot c RUNNING");
  set("c", { status: "SUSPENDED" });
  expect(await nextChange(one)).toBe("update c SUSPENDED");
  set("a", { status: "COMPLETED" });
  expect(await nextChange(one)).toBe("removed a");
  const { after } = await caughtUp(one, "f");
  one.socket.terminate();

  set("b", { status: "COMPLETED" });
  set("c", { status: "RUNNING" });
  const other = await WsClient.connect(urls[1]);
  other.send({ type: "subscribe", sub: "f", feed, after });
  expect(await other.next()).toEqual(subscribed(true));
  const resumed = await caughtUp(other, "f");
  expect(resumed.events).toEqual(["removed b", "snapshot c RUNNING"]);
  other.send({ type: "unsubscribe", sub: "f" });
  expect(await other.nextOf("unsubscribed")).toEqual({
    type: "unsubscribed",
    sub: "f",
    reason: "requested",
  });

  const query = "status=RUNNING&status=SUSPENDED";
  const headers = { "last-event-id": resumed.after };
  const sse = await SseClient.connect(new URL(`/api/events?${query}`, urls[0]), headers);
  expect((await sse.next()).data).toMatchObject({ type: "heartbeat", resumed: true });
});

test("a feed shares its connection with an operation, and its first load waits for the client (C2, C3)", async () => {
  const ids = Array.from({ length: 40 }, (_, index) => `op-${index}`);
  const { scheduler, urls, set } = await start(ids);
  for (const id of ids) scheduler.set(id, { customStatus: JSON.stringify("x".repeat(100_000)) });
  const client = await WsClient.connect(urls[0]);
  client.send({ type: "subscribe", sub: "f", feed: {} });
  client.send({ type: "subscribe", sub: "o", operation_id: "op-0" });
  await client.nextOf("snapshot");
  for (const id of ids) set(id, { status: "COMPLETED", output: '"done"' });
  const completed: string[] = [];
  let ended = false;
  while (completed.length < ids.length || !ended) {
    const { type, sub, operation_id, operation } = await client.next("the end of each operation");
    if (type === "unsubscribed") ended = true;
    if (sub === "f" && operation?.status === "Completed") completed.push(operation_id);
  }
  expect(completed.sort()).toEqual(ids.sort());
});

test("what is refused is a problem of its sub, and the connection goes on", async () => {
  const key = createKey("blue", "operations:read:blue-*");
  const { urls } = await start(["blue-1", "red-1"], {
    maxFeeds: 1,
    credentials: {
      apiKeysFile: createKeyFile(key.line).path,
      issuer: undefined,
      streamTokenSecrets: ["s".repeat(32)],
    },
  });
  const headers = { authorization: `Bearer ${key.key}` };
  const client = await WsClient.connect(urls[0], "/api/ws", ["dts-push.v1"], headers);
  for (const [feed, status, slug] of [
    [{ status: "running" }, 400, "invalid-query"],
    [{ tag: ["blue"] }, 400, "invalid-query"],
    [{ name: Array(21).fill("x") }, 400, "invalid-query"],
    [{ prefix: "@" }, 400, "invalid-query"],
    [{ id: "a" }, 400, "invalid-query"],
    [{}, 403, "forbidden"],
    [{ prefix: "red-" }, 403, "forbidden"],
  ] as const) {
    client.send({ type: "subscribe", sub: "f", feed });
    const refused = await client.nextOf("problem");
    expect(refused, JSON.stringify(feed)).toMatchObject({
      sub: "f",
      problem: { status, type: `urn:dts-push:problem:${slug}` },
    });
  }
  client.send({ type: "subscribe", sub: "f", feed: { prefix: "blue-" } });
  expect(await client.nextOf("subscribed")).toEqual(subscribed(false));
  expect((await caughtUp(client, "f")).events).toEqual(["snapshot blue-1 RUNNING"]);
  client.send({ type: "subscribe", sub: "other", feed: { prefix: "blue-2" } });
  expect((await client.nextOf("problem")).problem).toMatchObject({ status: 429 });
  for (const wrong of [
    { feed: [] },
    { feed: null },
    { feed: {}, operation_id: "a" },
    { feed: {}, detail: "steps" },
  ]) {
    const one = await WsClient.connect(urls[0], "/api/ws", ["dts-push.v1"], headers);
    one.send({ type: "subscribe", sub: "f", ...wrong });
    expect(await one.closed(), JSON.stringify(wrong)).toMatchObject({ code: 4400 });
  }
});
