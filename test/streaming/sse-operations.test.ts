import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import type { Instance } from "../../src/dts/instance.ts";
import { eventually } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startStack, startTestApi } from "../helpers/stack.ts";

const QUICK = { pollMinMs: 20, pollMaxMs: 40 };
const START_MS = 1_700_000_001_000;

async function startStored(ids: string[], overrides = {}) {
  const scheduler = await ScriptedScheduler.start(ids.map((id) => instance({ id })));
  const api = await startTestApi(scheduler.address, { ...QUICK, ...overrides });
  const set = (id: string, change: Partial<Instance>) =>
    scheduler.set(id, instance({ id, ...change }));
  return { scheduler, set, api, url: streamUrl(api.url, ids) };
}

function streamUrl(base: URL, ids: string[]): URL {
  const url = new URL("/api/events", base);
  for (const id of ids) url.searchParams.append("operation_id", id);
  return url;
}

const idOf = (event: { data: { operation: { operation_id: string } } }) =>
  event.data.operation.operation_id;

/** Waits until every operation was read once more, so that the watermark has moved past its state. */
async function settle(scheduler: ScriptedScheduler, ids: string[]): Promise<void> {
  const before = new Map(ids.map((id) => [id, scheduler.findsOf(id)]));
  await eventually("two more reads of each operation", () =>
    ids.every((id) => scheduler.findsOf(id) >= (before.get(id) ?? 0) + 3),
  );
}

test("one stream follows several real operations, and ends when all have", async () => {
  const stack = await startStack(QUICK);
  const ids = await Promise.all(
    [1, 2, 3].map((steps) => stack.startOperation({ processing_time: 1, steps })),
  );
  const client = await SseClient.connect(streamUrl(stack.url, [...ids, ids[0] ?? ""]));
  const events = await client.untilBye();
  for (const id of ids) {
    const own = events.filter((event) => event.data.operation?.operation_id === id);
    expect(own[0]?.event).toBe("snapshot");
    expect(own.slice(1).every(({ event }) => event === "update")).toBe(true);
    expect(own.at(-1)?.data.operation).toMatchObject({
      status: "Completed",
      result: { operation_id: id },
    });
  }
  expect(events.at(-1)?.data).toMatchObject({ reason: "terminal", reconnect: false });
  const again = await fetch(streamUrl(stack.url, ids), {
    headers: { "last-event-id": events.at(-1)?.id ?? "" },
  });
  expect(again.status).toBe(204);
});

test("an unknown id is one problem, and the others continue", async () => {
  const { set, api } = await startStored(["a"]);
  const client = await SseClient.connect(streamUrl(api.url, ["nobody", "a"]));
  const first = [await client.nextState(), await client.nextState()];
  const problem = first.find(({ event }) => event === "problem");
  expect(problem?.data).toMatchObject({ operation_id: "nobody", problem: { status: 404 } });
  set("a", { status: "COMPLETED", lastUpdatedAtMs: START_MS + 1 });
  expect((await client.untilBye()).map(({ event }) => event)).toEqual(["update", "bye"]);
});

test("unknown ids alone do not open a resumed stream: the answer is 204", async () => {
  const { set, api } = await startStored(["a"]);
  for (const ids of [["nobody"], ["nobody", "a"]]) {
    set("a", { status: "COMPLETED", lastUpdatedAtMs: START_MS + 1 });
    const last = (await (await SseClient.connect(streamUrl(api.url, ids))).untilBye()).at(-1);
    const again = await SseClient.connect(streamUrl(api.url, ids), {
      "last-event-id": last?.id ?? "",
    });
    expect([ids, again.status]).toEqual([ids, 204]);
  }
  set("a", { status: "RUNNING", lastUpdatedAtMs: START_MS + 2 });
  const resumed = await SseClient.connect(streamUrl(api.url, ["a", "nobody"]));
  const events = [await resumed.nextState(), await resumed.nextState()];
  const live = await SseClient.connect(streamUrl(api.url, ["a", "nobody"]), {
    "last-event-id": events.at(-1)?.id ?? "",
  });
  expect((await live.nextState()).data).toMatchObject({ type: "problem", operation_id: "nobody" });
});

test("a purged operation is one problem, and when nothing is left the stream says gone", async () => {
  const { scheduler, url } = await startStored(["a"]);
  const client = await SseClient.connect(url);
  await client.nextState();
  scheduler.purge("a");
  const [problem, bye] = await client.untilBye();
  expect(problem?.data.problem.type).toBe("urn:dts-push:problem:operation-gone");
  expect(bye?.data).toMatchObject({ reason: "gone", reconnect: false });
});

test("resuming sends what changed since and nothing else, on any replica (C4)", async () => {
  const ids = Array.from({ length: 50 }, (_, index) => `op-${index}`);
  const { set, scheduler, api, url } = await startStored(ids, { heartbeatMs: 50 });
  const client = await SseClient.connect(url);
  for (const _ of ids) await client.nextState();
  set("op-7", { customStatus: "1", lastUpdatedAtMs: START_MS + 500 });
  expect(idOf(await client.nextState())).toBe("op-7");
  // States beyond those that a watermark can name are distinguished only by time, once they have settled.
  const beat = await eventually("a watermark past all but one of these states", async () => {
    const { event, id } = await client.next("a heartbeat");
    return event === "heartbeat" && (id?.split(".")[3] ?? "").length <= 6 && { id };
  });
  client.destroy();
  set("op-9", { customStatus: '"new"', lastUpdatedAtMs: START_MS + 600 });
  set("op-3", {
    status: "FAILED",
    failure: { type: "E", message: "m" },
    lastUpdatedAtMs: START_MS + 601,
  });
  const replica = await startTestApi(scheduler.address, { ...QUICK, heartbeatMs: 3_600_000 });
  const resumed = await SseClient.connect(streamUrl(replica.url, ids), {
    "last-event-id": beat.id ?? "",
  });
  const first = [await resumed.nextState(), await resumed.nextState()];
  expect(first.map(idOf).sort()).toEqual(["op-3", "op-9"]);
  expect(first.map(({ event }) => event)).toEqual(["snapshot", "snapshot"]);
  await settle(
    scheduler,
    ids.filter((id) => id !== "op-3"),
  );
  expect(resumed.waiting).toEqual([]);
  expect(api.url.href).not.toBe(replica.url.href);
});

test("a change that no read had seen when the stream was cut is sent after the resume (C4)", async () => {
  const scheduler = await ScriptedScheduler.startHeld();
  const api = await startTestApi(scheduler.address, QUICK);
  const ids = ["a", "b"];
  const opening = SseClient.connect(streamUrl(api.url, ids));
  for (const _ of ids) {
    const read = await scheduler.heldReads.take("a first read");
    read.answer({ lastUpdatedAtMs: START_MS });
  }
  const client = await opening;
  await client.nextState();
  await client.nextState();
  // "b" changes after "a" has, but only the change of "b" is read before the stream is cut.
  for (;;) {
    const read = await scheduler.heldReads.take("a second read");
    if (read.id === "a") read.answer({ lastUpdatedAtMs: START_MS });
    else {
      read.answer({ customStatus: "2", lastUpdatedAtMs: START_MS + 20 });
      break;
    }
  }
  const { id: watermark = "" } = await client.nextState();
  client.destroy();
  const replica = await startTestApi(scheduler.address, QUICK);
  const resuming = SseClient.connect(streamUrl(replica.url, ids), { "last-event-id": watermark });
  scheduler.set("a", { customStatus: "1", lastUpdatedAtMs: START_MS + 10 });
  scheduler.set("b", { customStatus: "2", lastUpdatedAtMs: START_MS + 20 });
  for (const { id, answer } of scheduler.heldReads.waiting) answer(scheduler.get(id));
  scheduler.fault = { kind: "none" };
  const { event, data } = await (await resuming).nextState();
  expect([event, data.operation.operation_id, data.operation.custom_status]).toEqual([
    "snapshot",
    "a",
    1,
  ]);
});

test("a watermark for other ids counts as none", async () => {
  const { url, api } = await startStored(["a", "b"]);
  const first = await SseClient.connect(url);
  await first.nextState();
  const { id = "" } = await first.nextState();
  const client = await SseClient.connect(streamUrl(api.url, ["a"]), { "last-event-id": id });
  expect((await client.nextState()).event).toBe("snapshot");
});

test("a cursor for each operation resumes another set of them: nothing is repeated (C2, C4)", async () => {
  const { set, api } = await startStored(["a", "b", "new"]);
  const former = await SseClient.connect(streamUrl(api.url, ["a", "b"]));
  const states = [await former.nextState(), await former.nextState()];
  const cursorOf = (id: string) =>
    states.find((event) => idOf(event as never) === id)?.data.operation.cursor as string;
  former.destroy();
  const url = streamUrl(api.url, ["new", "b", "a", "b"]);
  for (const after of ["", cursorOf("b"), cursorOf("a"), cursorOf("b")]) {
    url.searchParams.append("after", after);
  }
  const client = await SseClient.connect(url);
  expect(idOf((await client.nextState()) as never)).toBe("new");
  set("a", { customStatus: "7", lastUpdatedAtMs: START_MS + 1 });
  expect((await client.nextState()).data.operation.custom_status).toBe(7);
  for (const wrong of ["operation_id=a&after=1&after=2", "after=1&after=2"]) {
    const { status } = await fetch(new URL(`/api/events?${wrong}`, api.url));
    expect(status, wrong).toBe(400);
  }
});

test("one problem reports an outage, however many operations the stream carries (WATCH-4)", async () => {
  const ids = ["a", "b", "c", "d"];
  const { set, scheduler, url } = await startStored(ids);
  const client = await SseClient.connect(url);
  for (const _ of ids) await client.nextState();
  scheduler.fault = { kind: "error", code: status.INTERNAL };
  expect((await client.nextState()).event).toBe("problem");
  await settle(scheduler, ids);
  expect(client.waiting.filter(({ event }) => event !== "heartbeat")).toEqual([]);
  scheduler.fault = { kind: "none" };
  set("c", { customStatus: "1", lastUpdatedAtMs: START_MS + 1 });
  expect(idOf(await client.nextState())).toBe("c");
});

test("more than 200 ids are refused", async () => {
  const { api } = await startStored([]);
  const ids = Array.from({ length: 201 }, (_, index) => `${index}`);
  const response = await fetch(streamUrl(api.url, ids));
  expect(response.status).toBe(400);
  expect(((await response.json()) as { type: string }).type).toBe(
    "urn:dts-push:problem:invalid-query",
  );
});

test("a first load that was cut off resumes there, at any replica (C4)", async () => {
  const ids = Array.from({ length: 100 }, (_, index) => `op-${index}`);
  const { set, scheduler, api, url } = await startStored(ids);
  for (const [index, id] of ids.entries()) {
    set(id, { status: "COMPLETED", lastUpdatedAtMs: START_MS + index });
  }
  const seen: string[] = [];
  let last = "";
  for (const base of [api.url, (await startTestApi(scheduler.address, QUICK)).url]) {
    const client = await SseClient.connect(
      streamUrl(base, ids),
      last ? { "last-event-id": last } : {},
    );
    const count = last ? 60 : 40;
    for (let events = 0; events < count; events += 1) {
      const event = await client.nextState();
      seen.push(idOf(event));
      last = event.id ?? "";
      expect(last.length).toBeLessThan(257);
    }
    client.destroy();
  }
  expect(seen.toSorted()).toEqual(ids.toSorted());
  const again = await SseClient.connect(url, { "last-event-id": last });
  expect(again.status).toBe(204);
});
