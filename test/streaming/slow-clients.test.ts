import { expect, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { instance, ScriptedScheduler } from "../helpers/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";

const QUICK = { pollMinMs: 10, pollMaxMs: 20, heartbeatMs: 3_600_000 };
const STEP_BYTES = 200_000;

/** A state with a large custom status, so that few of them fill a socket. */
function step(number: number) {
  const filler = "x".repeat(STEP_BYTES);
  return instance({
    customStatus: JSON.stringify({ number, filler }),
    lastUpdatedAtMs: 1_700_000_001_000 + number,
  });
}

async function startLarge(overrides = {}) {
  const store = new Map([["op", step(0)]]);
  const scheduler = await ScriptedScheduler.start(store);
  const api = await startTestApi(scheduler.address, { ...QUICK, ...overrides });
  return { store, url: api.url, events: new URL("/api/operations/op/events", api.url) };
}

const numberOf = (data: { operation: { custom_status: { number: number } } }) =>
  data.operation.custom_status.number;

async function metric(url: URL, name: string): Promise<number> {
  const text = await (await fetch(new URL("/metrics", url))).text();
  return Number(new RegExp(`^${name.replace(/[{}]/g, "\\$&")} (\\S+)`, "m").exec(text)?.[1] ?? 0);
}

test("B1: a client that stops reading is given the latest state only, and 50 others every one", async () => {
  const { store, events } = await startLarge();
  const slow = await SseClient.connect(events);
  await slow.nextState();
  slow.pause();
  const quick = await Promise.all(Array.from({ length: 50 }, () => SseClient.connect(events)));
  for (const client of quick) await client.nextState();
  const STEPS = 60;
  for (let number = 1; number <= STEPS; number += 1) {
    store.set("op", step(number));
    for (const client of quick) expect(numberOf((await client.nextState()).data)).toBe(number);
  }
  // 60 steps are 12 MB, more than socket buffers hold: the slow one was spared the most of them.
  slow.resume();
  const received: number[] = [];
  let spared = 0;
  while (received.at(-1) !== STEPS) {
    const { data } = await slow.nextState();
    spared += data.coalesced;
    received.push(numberOf(data));
  }
  expect(spared + received.length).toBe(STEPS);
  expect(spared).toBeGreaterThan(0);
  expect(received).toEqual([...received].sort((a, b) => a - b));
});

test("S1: a client that takes nothing for 10 s is told bye slow and cut off", async () => {
  const { store, url, events } = await startLarge();
  const sse = await SseClient.connect(events);
  const ws = await WsClient.connect(url, "/api/ws?operation_id=op");
  await sse.nextState();
  await ws.nextOf("snapshot");
  sse.pause();
  ws.socket.pause();
  let number = 0;
  await eventually(
    "both to be cut off",
    async () => {
      number += 1;
      store.set("op", step(number));
      return (await metric(url, 'dts_push_disconnects_total{reason="slow"}')) === 2;
    },
    25_000,
  );
  // Reading again within the grace, both still find out why.
  sse.resume();
  ws.socket.resume();
  expect((await sse.untilBye()).at(-1)?.data).toMatchObject({ reason: "slow", reconnect: true });
  expect(await ws.nextOf("bye")).toMatchObject({ reason: "slow", reconnect: true });
  expect((await ws.closed()).code).toBe(4003);
});
