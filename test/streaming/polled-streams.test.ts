import { expect, test } from "vitest";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";

/** An API on a scheduler that answers from what is stored. */
async function startStored() {
  const scheduler = await ScriptedScheduler.start([instance()]);
  const api = await startTestApi(scheduler.address, { pollMinMs: 20, pollMaxMs: 50 });
  const poll = (query: string) =>
    SseClient.connect(new URL(`/api/events?operation_id=op&detail=status&${query}`, api.url));
  return { scheduler, url: api.url, poll };
}

test("a long-poll of a stream ends with what it was waiting for, and resumes from there (C4)", async () => {
  const { scheduler, poll } = await startStored();
  const first = await (await poll("wait=60")).untilBye();
  expect(first.map(({ event }) => event)).toEqual(["snapshot", "bye"]);
  expect(first[1]?.data).toMatchObject({ reason: "rotate", reconnect: true, retry_ms: 0 });

  const waiting = await poll(`wait=60&after=${first[1]?.id}`);
  scheduler.set("op", instance({ customStatus: '"next"', lastUpdatedAtMs: 1_700_000_005_000 }));
  const second = await waiting.untilBye();
  expect(second.map(({ event }) => event)).toEqual(["snapshot", "bye"]);
  expect(second[0]?.data).toMatchObject({ resumed: true, operation: { custom_status: "next" } });
  expect(await waiting.ended()).toBe("ended");
});

test("a long-poll of a stream ends with a heartbeat when nothing happens", async () => {
  const { poll } = await startStored();
  const [snapshot] = await (await poll("wait=60")).untilBye();
  const waiting = await poll(`wait=1&after=${snapshot?.id}`);
  expect((await waiting.next()).event).toBe("heartbeat");
  expect((await waiting.next()).data).toMatchObject({ reason: "rotate", retry_ms: 0 });
});

test("a long-poll of a feed that has caught up waits, as one of other streams does", async () => {
  const { scheduler, url } = await startStored();
  const poll = (after = "") =>
    SseClient.connect(new URL(`/api/events?wait=60${after && `&after=${after}`}`, url));
  const first = await (await poll()).untilBye();
  expect(first.map(({ event }) => event)).toEqual(["snapshot", "bye"]);
  const waiting = await poll(first.at(-1)?.id);
  // It has caught up, and goes on waiting.
  expect((await waiting.next()).event).toBe("heartbeat");
  scheduler.set("op", instance({ customStatus: '"next"', lastUpdatedAtMs: 1_700_000_005_000 }));
  const [change, bye] = await waiting.untilBye();
  expect(change?.data.operation.custom_status).toBe("next");
  expect(bye?.data).toMatchObject({ reason: "rotate", retry_ms: 0 });
});

test("with detail=status one operation of the query is followed as by its path", async () => {
  const { url } = await startStored();
  const byQuery = new URL("/api/events?operation_id=op&detail=status", url);
  const byPath = new URL("/api/operations/op/events", url);
  const [one, other] = [await SseClient.connect(byQuery), await SseClient.connect(byPath)];
  expect(await one.nextState()).toEqual(await other.nextState());
  expect((await fetch(new URL("/api/events?operation_id=no&detail=status", url))).status).toBe(404);
});

test.each(["0", "61", "-1", "x"])("wait=%s is an invalid query", async (wait) => {
  const { url } = await startStored();
  const response = await fetch(new URL(`/api/operations/op/events?wait=${wait}`, url));
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({
    type: "urn:dts-push:problem:invalid-query",
    detail: '"wait" must be a number of seconds from 1 to 60.',
  });
});
