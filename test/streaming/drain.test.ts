import { expect, test } from "vitest";
import { eventually, within } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";

async function startStored(overrides = {}) {
  const scheduler = await ScriptedScheduler.start([instance()]);
  const api = await startTestApi(scheduler.address, { pollMinMs: 20, pollMaxMs: 50, ...overrides });
  return { scheduler, api, events: new URL("/api/operations/op/events", api.url) };
}

test("closing drains every stream, with reconnects spread over the grace period", async () => {
  const { api, events } = await startStored({ graceMs: 20_000 });
  const clients = await Promise.all(Array.from({ length: 40 }, () => SseClient.connect(events)));
  const ws = await WsClient.connect(api.url, "/api/ws?operation_id=op");
  for (const client of clients) await client.nextState();
  const closing = api.stopApi();
  const retries: number[] = [];
  for (const client of clients) {
    const { event, id, data } = await client.nextState();
    expect([event, data.reason, data.reconnect]).toEqual(["bye", "drain", true]);
    expect(id).toMatch(/^2\./);
    expect(client.retries.at(-1)).toBe(data.retry_ms);
    expect(await client.ended()).toBe("ended");
    retries.push(data.retry_ms);
  }
  expect(Math.max(...retries) - Math.min(...retries)).toBeGreaterThan(5000);
  expect((await ws.nextOf("bye")).reason).toBe("drain");
  expect((await ws.closed()).code).toBe(1012);
  await within("the API to close", closing);
});

test("a draining process is not ready, and answers new streams with bye drain", async () => {
  const { api, events } = await startStored({ graceMs: 10_000 });
  const client = await SseClient.connect(events);
  await client.nextState();
  const closing = api.stopApi();
  await client.untilBye();
  const ready = await fetch(new URL("/readyz", api.url));
  expect(ready.status).toBe(503);
  const late = await SseClient.connect(events);
  expect(late.status).toBe(200);
  expect((await late.untilBye()).map(({ data }) => data.reason)).toEqual(["drain"]);
  expect(late.retries.length).toBeGreaterThan(0);
  await within("the API to close", closing);
});

test("beyond the limit of streams new ones get bye drain", async () => {
  const { api, events } = await startStored({ maxConnections: 2 });
  const clients = [await SseClient.connect(events), await SseClient.connect(events)];
  for (const client of clients) await client.nextState();
  const third = await SseClient.connect(events);
  expect((await third.untilBye()).map(({ data }) => data.reason)).toEqual(["drain"]);
  const ws = await WsClient.connect(api.url, "/api/ws?operation_id=op");
  expect((await ws.closed()).code).toBe(1013);
  clients[0]?.destroy();
  await eventually("a place to become free", async () => {
    const again = await SseClient.connect(events);
    return (await again.nextState()).event === "snapshot";
  });
});

test("a stream is rotated at its maximum age, and resumes from its cursor", async () => {
  const { events } = await startStored({ streamMaxAgeMs: 300 });
  const client = await SseClient.connect(events);
  const received = await client.untilBye();
  expect(received.at(-1)?.data).toMatchObject({ reason: "rotate", reconnect: true });
  const again = await SseClient.connect(events, { "last-event-id": received.at(-1)?.id ?? "" });
  expect((await again.untilBye()).map(({ event }) => event)).toEqual(["bye"]);
});

test("a disconnect ends the subscription, and the last one the watcher (SSE-3)", async () => {
  const { scheduler, api, events } = await startStored();
  const client = await SseClient.connect(events);
  await client.nextState();
  client.destroy();
  const gauges = async () => (await fetch(new URL("/metrics", api.url))).text();
  await eventually("no subscription", async () =>
    /^dts_push_subscriptions 0$/m.test(await gauges()),
  );
  await eventually("no watcher", async () =>
    /^dts_push_watched_operations 0$/m.test(await gauges()),
  );
  expect(scheduler.countOf("getInstance")).toBeGreaterThan(1);
});
