import { createConnection } from "node:net";
import type { OrchestrationContext } from "@microsoft/durabletask-js";
import { createParser } from "eventsource-parser";
import { expect, test } from "vitest";
import { eventually, within } from "../helpers/deadline.ts";
import { sdkClient, startSdkWorker } from "../helpers/sdk.ts";
import { type ReceivedEvent, SseClient } from "../helpers/sse-client.ts";
import { type Stack, startTestApi, startTestScheduler } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";

const QUICK = { pollMinMs: 20, pollMaxMs: 60, heartbeatMs: 3_600_000 };

let fails = true;
const CODE = {
  orchestrators: {
    async *chain(context: OrchestrationContext, count: number) {
      for (let step = 0; step < count; step += 1) yield context.callActivity("echo", step);
      return "done";
    },
    async *approval(context: OrchestrationContext): AsyncGenerator<unknown, unknown, unknown> {
      const answer = yield context.waitForExternalEvent("approve");
      yield context.createTimer(0.01);
      return answer;
    },
    async *parent(context: OrchestrationContext) {
      yield context.callSubOrchestrator("chain", 1);
      return "parent";
    },
    async *generations(context: OrchestrationContext, generation: number) {
      yield context.waitForExternalEvent("next");
      if (generation < 2) context.continueAsNew(generation + 1, true);
      return generation;
    },
    async *flaky(context: OrchestrationContext): AsyncGenerator<unknown, unknown, unknown> {
      yield context.callActivity("echo", "first");
      return yield context.callActivity("fail", "second");
    },
  },
  activities: {
    echo: (_context: unknown, input: never) => input,
    fail: () => {
      if (fails) throw new TypeError("not yet");
      return "at last";
    },
  },
};

async function startForeign() {
  const address = await startTestScheduler();
  await startSdkWorker(address, CODE as never);
  const api = await startTestApi(address, QUICK);
  return { address, api, client: sdkClient(address) };
}

const stepsUrl = (api: Stack, id: string, more = "") =>
  new URL(`/api/operations/${id}/events?detail=steps${more}`, api.url);

const steps = (events: ReceivedEvent[]) =>
  events.filter(({ event }) => event === "step").map(({ data }) => data);
const kinds = (events: ReceivedEvent[]) => steps(events).map(({ kind }) => kind);

async function history(api: Stack, id: string, query = "") {
  const response = await fetch(new URL(`/api/operations/${id}/history${query}`, api.url));
  expect(response.status).toBe(200);
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever JSON the server sends.
  return (await response.json()) as any;
}

test("the steps of an operation are the entries of its history, once and in order (STEPS-1)", async () => {
  const { api, client } = await startForeign();
  const id = await client.scheduleNewOrchestration("chain", 3, "whole");
  const stream = await SseClient.connect(stepsUrl(api, id));
  const events = await stream.untilBye();
  const stored = await client.getOrchestrationHistory(id);
  expect(steps(events).map(({ seq }) => seq)).toEqual(stored.map((_, index) => index + 1));
  expect(kinds(events).filter((kind) => kind !== "turn_started")).toEqual([
    "started",
    ...Array.from({ length: 3 }, () => ["activity_scheduled", "activity_completed"]).flat(),
    "completed",
  ]);
  const scheduled = steps(events).find(({ kind }) => kind === "activity_scheduled");
  const completed = steps(events).find(({ kind }) => kind === "activity_completed");
  expect(completed).toMatchObject({
    name: "echo",
    duration_ms: expect.any(Number),
    scheduled_seq: scheduled.seq,
  });
  expect(steps(events).at(-1)).toMatchObject({ kind: "completed", status: "Completed" });
  expect(events.at(-1)?.data.reason).toBe("terminal");
  expect(
    events.filter(({ event }) => event === "update" || event === "snapshot").length,
  ).toBeGreaterThan(0);
  const again = await fetch(stepsUrl(api, id), {
    headers: { "last-event-id": events.at(-1)?.id ?? "" },
  });
  expect(again.status).toBe(204);
});

test("timers, events and sub-orchestrations are steps with names and durations", async () => {
  const { api, client } = await startForeign();
  await client.scheduleNewOrchestration("approval", undefined, "a");
  const approval = await SseClient.connect(stepsUrl(api, "a", "&include=payloads"));
  await approval.nextState();
  await client.raiseOrchestrationEvent("a", "approve", { by: "me" });
  const received = steps(await approval.untilBye());
  expect(received.find(({ kind }) => kind === "event_raised")).toMatchObject({
    name: "approve",
    input: '{"by":"me"}',
  });
  expect(received.find(({ kind }) => kind === "timer_fired").duration_ms).toBeGreaterThanOrEqual(0);
  expect(received.at(-1)).toMatchObject({ kind: "completed", output: '{"by":"me"}' });
  await client.scheduleNewOrchestration("parent", undefined, "p");
  const parent = await SseClient.connect(stepsUrl(api, "p"));
  const sub = steps(await parent.untilBye()).filter(({ kind }) => kind.startsWith("sub_"));
  expect(sub.map(({ kind, name }) => [kind, name])).toEqual([
    ["sub_orchestration_created", "chain"],
    ["sub_orchestration_completed", "chain"],
  ]);
  expect(sub[0]).not.toHaveProperty("input");
});

test("cut at any byte and resumed at another replica, a stream has no gap or duplicate (STEPS-1)", async () => {
  const { api, client, address } = await startForeign();
  const replica = await startTestApi(address, QUICK);
  const id = await client.scheduleNewOrchestration("chain", 6, "cuts");
  await client.waitForOrchestrationCompletion(id);
  const whole = (await SseClient.connect(stepsUrl(api, id))).untilBye();
  const expected = steps(await whole).map(({ seq, kind }) => `${seq} ${kind}`);
  const total = (await rawUntil(stepsUrl(api, id), undefined, Number.POSITIVE_INFINITY)).bytes;
  for (let cut = 200; cut < total; cut += 173) {
    const first = await rawUntil(stepsUrl(api, id), undefined, cut);
    const rest = await rawUntil(stepsUrl(replica, id), first.lastId, Number.POSITIVE_INFINITY);
    const received = [...first.steps, ...rest.steps].map(({ seq, kind }) => `${seq} ${kind}`);
    expect(received, `cut after ${cut} bytes`).toEqual(expected);
  }
});

test("a continue-as-new is a reset, then the new history from its first step (STEPS-3)", async () => {
  const { api, client } = await startForeign();
  const id = await client.scheduleNewOrchestration("generations", 0, "gen");
  const stream = await SseClient.connect(stepsUrl(api, id));
  const events: ReceivedEvent[] = [];
  for (const generation of [0, 1, 2]) {
    await eventually("its first steps", async () => {
      const event = await stream.nextState();
      events.push(event);
      return event.data.kind === "started";
    });
    await client.raiseOrchestrationEvent(id, "next", generation);
  }
  events.push(...(await stream.untilBye()));
  const resets = events.filter(({ event }) => event === "reset").map(({ data }) => data);
  expect(resets).toHaveLength(2);
  for (const { reason, last_seq } of resets) {
    expect(reason).toBe("continued_as_new");
    expect(last_seq).toBeGreaterThan(0);
  }
  const last = events.slice(events.findLastIndex(({ event }) => event === "reset") + 1);
  expect(steps(last).map(({ seq }) => seq)).toEqual(
    (await client.getOrchestrationHistory(id)).map((_, index) => index + 1),
  );
});

test("after a rewind, and after a restart, a resume sends a reset before the new history (STEPS-3)", async () => {
  fails = true;
  const { api, client } = await startForeign();
  const id = await client.scheduleNewOrchestration("flaky", undefined, "flaky");
  const first = await (await SseClient.connect(stepsUrl(api, id))).untilBye();
  expect(steps(first).find(({ kind }) => kind === "activity_failed")).toMatchObject({
    name: "fail",
    error: { type: "TypeError", message: "not yet" },
  });
  fails = false;
  await client.rewindInstance(id, "try again");
  const resumeFrom = { "last-event-id": first.at(-1)?.id ?? "" };
  const second = await (await SseClient.connect(stepsUrl(api, id), resumeFrom)).untilBye();
  const reset = second.find(({ event }) => event === "reset");
  expect(reset?.data).toMatchObject({ reason: "rewound", last_seq: steps(first).length });
  expect(steps(second).at(-1)).toMatchObject({ kind: "completed", status: "Completed" });
  expect(steps(second).map(({ seq }) => seq)).toEqual(steps(second).map((_, index) => index + 1));
  await client.restartOrchestration(id);
  const third = await (
    await SseClient.connect(stepsUrl(api, id), { "last-event-id": second.at(-1)?.id ?? "" })
  ).untilBye();
  expect(third.find(({ event }) => event === "reset")?.data.reason).toBe("replaced");
});

test("the history as one document: whole, after a step, and with payloads", async () => {
  const { api, client } = await startForeign();
  const id = await client.scheduleNewOrchestration("chain", 2, "doc");
  await client.waitForOrchestrationCompletion(id);
  const whole = await history(api, id);
  expect(whole).toMatchObject({
    operation_id: id,
    execution_id: expect.stringMatching(/^[0-9a-f]{32}$/),
  });
  expect(whole.steps).toHaveLength((await client.getOrchestrationHistory(id)).length);
  expect((await history(api, id, "?after=4")).steps).toEqual(whole.steps.slice(4));
  const withPayloads = await history(api, id, "?include=payloads");
  expect(withPayloads.steps[1]).toMatchObject({ kind: "started", input: "2" });
  const resumed = await fetch(stepsUrl(api, id), { headers: { "last-event-id": whole.cursor } });
  expect(resumed.status).toBe(204);
  for (const query of ["?after=x", "?include=all"]) {
    const bad = await fetch(new URL(`/api/operations/${id}/history${query}`, api.url));
    expect(bad.status).toBe(400);
  }
  expect((await fetch(new URL("/api/operations/nobody/history", api.url))).status).toBe(404);
});

test("a payload is truncated at 16 KiB, and marked", async () => {
  const { api, client } = await startForeign();
  const id = await client.scheduleNewOrchestration("approval", undefined, "large");
  await client.raiseOrchestrationEvent(id, "approve", "x".repeat(100_000));
  await client.waitForOrchestrationCompletion(id);
  const { steps: all } = await history(api, id, "?include=payloads");
  const raised = all.find(({ kind }: { kind: string }) => kind === "event_raised");
  expect([raised.input.length, raised.truncated]).toEqual([16_384, true]);
});

test("steps over a WebSocket, resumed with a frame's cursor", async () => {
  const { api, client } = await startForeign();
  const id = await client.scheduleNewOrchestration("chain", 3, "ws");
  await client.waitForOrchestrationCompletion(id);
  const socket = await WsClient.connect(api.url);
  socket.send({ type: "subscribe", sub: "s", operation_id: id, detail: "steps" });
  const seqs: number[] = [];
  let cursor = "";
  while (seqs.length < 4) {
    const message = await socket.nextOf("step");
    seqs.push(message.seq);
    cursor = message.cursor;
  }
  const second = await WsClient.connect(api.url);
  second.send({ type: "subscribe", sub: "t", operation_id: id, detail: "steps", after: cursor });
  for (;;) {
    const message = await second.next();
    if (message.type === "step") seqs.push(message.seq);
    if (message.type === "unsubscribed") break;
  }
  expect(seqs).toEqual((await client.getOrchestrationHistory(id)).map((_, index) => index + 1));
});

test("a subscriber that stops reading gets every step later, and delays no other (STEPS-5)", async () => {
  const { api, client } = await startForeign();
  const id = await client.scheduleNewOrchestration("chain", 400, "long");
  const slow = await SseClient.connect(stepsUrl(api, id, "&include=payloads"));
  slow.pause();
  const quick = await SseClient.connect(stepsUrl(api, id));
  const all = steps(await quick.untilBye()).length;
  expect(all).toBe((await client.getOrchestrationHistory(id)).length);
  slow.resume();
  const received = steps(await slow.untilBye()).map(({ seq }) => seq);
  expect(received).toEqual(Array.from({ length: all }, (_, index) => index + 1));
});

/** Reads this many bytes of a stream, then cuts the connection. */
async function rawUntil(url: URL, lastId: string | undefined, most: number) {
  const socket = createConnection(Number(url.port), "127.0.0.1");
  socket.write(
    `GET ${url.pathname}${url.search} HTTP/1.0\r\nhost: localhost\r\n${lastId ? `last-event-id: ${lastId}\r\n` : ""}\r\n`,
  );
  const received: { seq: number; kind: string }[] = [];
  let id: string | undefined = lastId;
  const parser = createParser({
    onEvent: (event) => {
      id = event.id ?? id;
      if (event.event === "step") received.push(JSON.parse(event.data));
    },
  });
  let bytes = 0;
  let head = "";
  let inBody = false;
  await within(
    "the end of the stream",
    new Promise<void>((resolve) => {
      socket.on("close", () => resolve());
      socket.on("data", (chunk) => {
        const piece = chunk.subarray(0, Math.max(0, most - bytes));
        bytes += piece.length;
        const text = piece.toString("utf8");
        if (inBody) parser.feed(text);
        else {
          head += text;
          const end = head.indexOf("\r\n\r\n");
          if (end >= 0) {
            inBody = true;
            parser.feed(head.slice(end + 4));
          }
        }
        if (bytes >= most) socket.destroy();
      });
    }),
  );
  return { steps: received, lastId: id, bytes };
}
