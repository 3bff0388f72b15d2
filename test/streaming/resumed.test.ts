import { expect, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";

/* What the first event of a connection says of the cursor that the client gave. */

const QUICK = { pollMinMs: 20, pollMaxMs: 60, heartbeatMs: 100 };

async function start(overrides = {}) {
  const scheduler = await ScriptedScheduler.start();
  const api = await startTestApi(scheduler.address, { ...QUICK, ...overrides });
  for (const id of ["one", "two"]) scheduler.set(id, instance({ id }));
  const connect = (path: string, after?: string) =>
    SseClient.connect(
      new URL(path, api.url),
      after === undefined ? {} : { "last-event-id": after },
    );
  return { scheduler, api, connect };
}

/** The id of the last event before the stream is quiet, and the first event. */
async function listen(client: SseClient) {
  const first = await client.next();
  let { id } = first;
  while (id === undefined) id = (await client.next()).id;
  client.destroy();
  return { first, id };
}

for (const path of [
  "/api/operations/one/events",
  "/api/operations/one/events?detail=steps",
  "/api/events?operation_id=one&operation_id=two",
  "/api/events",
  "/api/events?prefix=o",
]) {
  test(`the first event of ${path} says whether it resumes, also without a change (C4)`, async () => {
    const { connect } = await start();
    const fresh = await listen(await connect(path));
    expect(fresh.first.data.resumed).toBe(false);
    const client = await connect(path, fresh.id);
    const resumed = await client.next();
    expect([resumed.event, resumed.data.resumed]).toEqual([resumed.event, true]);
    expect((await client.next()).data).not.toHaveProperty("resumed");
  });

  test(`a cursor from elsewhere counts as none at ${path}, and the first event says so`, async () => {
    const { connect } = await start();
    const other = await listen(await connect("/api/operations/two/events"));
    for (const foreign of [other.id, "42", "2.zzzzzzzzz.zzzzzzzzz.r00000000000.000000"]) {
      const client = await connect(path, foreign);
      const first = await client.next();
      expect(first.data).toMatchObject({ resumed: false, type: "snapshot" });
      client.destroy();
    }
  });
}

test("a WebSocket's subscribed says whether it resumes, and a foreign cursor counts as none", async () => {
  const { api } = await start();
  const url = new URL("/api/ws", api.url);
  const client = await WsClient.connect(url);
  const subscribe = async (sub: string, operation_id: string, after?: string) => {
    client.send({ type: "subscribe", sub, operation_id, after });
    return (await client.nextOf("subscribed")).resumed;
  };
  expect(await subscribe("a", "one")).toBe(false);
  const { cursor } = (await client.nextOf("snapshot")).operation;
  expect(await subscribe("b", "one", cursor)).toBe(true);
  expect(await subscribe("c", "two", cursor)).toBe(false);
  expect((await client.nextOf("snapshot")).operation.operation_id).toBe("two");
});

test("beyond MAX_FEEDS a feed of a new prefix gets bye drain, and the others are served", async () => {
  const { connect } = await start({ maxFeeds: 2 });
  const served = [await connect("/api/events?prefix=a"), await connect("/api/events?prefix=b")];
  for (const client of served) await client.next();
  const refused = await connect("/api/events?prefix=c");
  expect(refused.status).toBe(200);
  expect((await refused.next()).data).toMatchObject({
    type: "bye",
    reason: "drain",
    reconnect: true,
  });
  expect((await (await connect("/api/events")).next()).event).toBe("snapshot");
  const again = await connect("/api/events?prefix=a");
  expect((await again.next()).event).toBe("heartbeat");
});

test("subscriptions of one caller are bounded over all its connections", async () => {
  const { api, connect } = await start({ maxSubscriptionsPerCaller: 2 });
  const first = await connect("/api/events?operation_id=one&operation_id=two");
  await first.next();
  const refused = await connect("/api/operations/one/events");
  expect((await refused.next()).data).toMatchObject({ type: "bye", reason: "drain" });
  const socket = await WsClient.connect(new URL("/api/ws", api.url));
  socket.send({ type: "subscribe", sub: "s", operation_id: "one" });
  const { sub, problem } = await socket.nextOf("problem");
  expect([sub, problem.status, problem.type]).toEqual([
    "s",
    429,
    "urn:dts-push:problem:caller-limit",
  ]);
  first.destroy();
  await eventually("room again", async () => {
    const client = await connect("/api/operations/one/events");
    const { event } = await client.next();
    client.destroy();
    return event === "snapshot";
  });
});
