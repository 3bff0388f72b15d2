import { expect, test } from "vitest";
import { startLog } from "../dts/support/log.ts";
import { eventually } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { type ReceivedEvent, SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";

const QUICK = { pollMinMs: 10, pollMaxMs: 20, heartbeatMs: 3_600_000 };
const STEP_BYTES = 1_000_000;

/** A state with a large custom status, so that few of them fill a socket. */
function step(number: number) {
  const filler = "x".repeat(STEP_BYTES);
  return instance({
    customStatus: JSON.stringify({ number, filler }),
    lastUpdatedAtMs: 1_700_000_001_000 + number,
  });
}

async function startLarge(overrides = {}) {
  const scheduler = await ScriptedScheduler.start([step(0)]);
  const log = startLog("info");
  const api = await startTestApi(scheduler.address, { ...QUICK, ...overrides }, log.logger);
  return { scheduler, log, url: api.url, events: new URL("/api/operations/op/events", api.url) };
}

const numberOf = (data: { operation: { custom_status: { number: number } } }) =>
  data.operation.custom_status.number;

/** The next event with a state: on a busy machine a `problem` about the scheduler may come between. */
async function nextWithState(client: SseClient): Promise<ReceivedEvent> {
  for (;;) {
    const event = await client.next("the next state", 60_000);
    if (event.data.operation) return event;
  }
}

async function metric(url: URL, name: string): Promise<number> {
  const text = await (await fetch(new URL("/metrics", url))).text();
  return Number(new RegExp(`^${name.replace(/[{}]/g, "\\$&")} (\\S+)`, "m").exec(text)?.[1] ?? 0);
}

test("a client that reads too little is sent the latest state only, and others get every state (OUTBOX-2)", async () => {
  const { scheduler, log, events } = await startLarge();
  const slow = await SseClient.connect(events, { "x-request-id": "slow" });
  await nextWithState(slow);
  slow.pause();
  const quick = await Promise.all(Array.from({ length: 3 }, () => SseClient.connect(events)));
  for (const client of quick) await nextWithState(client);
  // 24 MB, several times what the kernel buffers for a client that does not read.
  const STEPS = 24;
  for (let number = 1; number <= STEPS; number += 1) {
    scheduler.set("op", step(number));
    // A little is read of it, however slow the machine is: one that takes nothing for 10 s is cut off.
    slow.response.once("data", () => slow.pause());
    slow.resume();
    for (const client of quick) expect(numberOf((await nextWithState(client)).data)).toBe(number);
  }
  slow.resume();
  const received: number[] = [];
  let coalesced = 0;
  while (received.at(-1) !== STEPS) {
    const { data } = await nextWithState(slow);
    coalesced += data.coalesced;
    received.push(numberOf(data));
  }
  expect(coalesced + received.length).toBe(STEPS);
  expect(coalesced).toBeGreaterThan(0);
  expect(received).toEqual(received.toSorted((a, b) => a - b));
  slow.destroy();
  const closed = await log.found({ msg: "stream closed", requestId: "slow" });
  expect(closed.coalesced).toBe(coalesced);
});

/** A client of each transport that has its first state and has stopped reading. */
async function startStalled() {
  const { scheduler, url, events } = await startLarge();
  const sse = await SseClient.connect(events);
  const ws = await WsClient.connect(url, "/api/ws?operation_id=op");
  await nextWithState(sse);
  await ws.nextOf("snapshot");
  sse.pause();
  ws.socket.pause();
  return { scheduler, url, sse, ws };
}

test("a client that reads nothing for 10 s is sent bye slow (SSE-1, WS-3)", async () => {
  const { scheduler, url, sse, ws } = await startStalled();
  let number = 0;
  await eventually("both to be found slow", async () => {
    number += 1;
    scheduler.set("op", step(number));
    return (await metric(url, 'dts_push_disconnects_total{reason="slow"}')) === 2;
  });
  // Both still find out why.
  sse.resume();
  ws.socket.resume();
  expect((await sse.untilBye()).at(-1)?.data).toMatchObject({ reason: "slow", reconnect: true });
  expect(await ws.nextOf("bye")).toMatchObject({ reason: "slow", reconnect: true });
  expect((await ws.closed()).code).toBe(4003);
});

/** More than the kernel's buffers of a loopback connection hold. */
const LARGE_BYTES = 8_000_000;

test("a large last state and bye arrive whole, however late a client reads (OUTBOX-3)", async () => {
  const { scheduler, url, sse, ws } = await startStalled();
  const output = JSON.stringify("x".repeat(LARGE_BYTES));
  scheduler.set(
    "op",
    instance({ status: "COMPLETED", output, lastUpdatedAtMs: 1_700_000_002_000 }),
  );
  await eventually(
    "the end of the stream",
    async () => (await metric(url, 'dts_push_disconnects_total{reason="terminal"}')) === 1,
  );
  // That nothing is cut off meanwhile has no event to wait for.
  await new Promise((resolve) => setTimeout(resolve, 4000));
  sse.resume();
  ws.socket.resume();
  expect((await nextWithState(sse)).data.operation.result).toHaveLength(LARGE_BYTES);
  expect((await sse.untilBye()).at(-1)?.data.reason).toBe("terminal");
  expect(await sse.ended()).toBe("ended");
  expect((await ws.nextOf("update")).operation.result).toHaveLength(LARGE_BYTES);
  expect(await ws.nextOf("unsubscribed")).toMatchObject({ reason: "terminal" });
});
