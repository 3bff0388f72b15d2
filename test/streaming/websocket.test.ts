import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { PIECE_BYTES } from "../../src/streaming/delivery/outbox.ts";
import { textFrame } from "../../src/streaming/delivery/ws/ws-protocol.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { startStack, startTestApi } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";

const QUICK = { pollMinMs: 20, pollMaxMs: 50 };
const ENDED = instance({
  status: "COMPLETED",
  output: '"done"',
  lastUpdatedAtMs: 1_700_000_009_000,
});

async function startStored(overrides = {}) {
  const scheduler = await ScriptedScheduler.start([instance(), instance({ id: "other" })]);
  const { url } = await startTestApi(scheduler.address, { ...QUICK, ...overrides });
  return { scheduler, url };
}

test("a subscriber sees the same objects as an SSE client, to the end", async () => {
  const stack = await startStack(QUICK);
  const id = await stack.startOperation({ processing_time: 1, steps: 2 });
  const client = await WsClient.connect(stack.url);
  expect(client.socket.protocol).toBe("dts-push.v1");
  client.send({ type: "subscribe", sub: "1", operation_id: id });
  expect(await client.next()).toEqual({
    type: "subscribed",
    sub: "1",
    operation_id: id,
    resumed: false,
  });
  expect(await client.next()).toMatchObject({ type: "snapshot", sub: "1", operation_id: id });
  const updates = [await client.nextOf("update"), await client.nextOf("update")];
  expect(updates.map(({ operation }) => operation.custom_status.percent)).toEqual([50, 100]);
  expect(updates[1]).toMatchObject({
    changed: ["status", "completed_at", "custom_status", "result"],
    coalesced: 0,
    operation: { operation_id: id, status: "Completed" },
  });
  expect(await client.next()).toEqual({
    type: "unsubscribed",
    sub: "1",
    operation_id: id,
    reason: "terminal",
  });
});

test("subscribed comes before the first event of each subscription (WS-1)", async () => {
  const { url } = await startStored();
  const client = await WsClient.connect(url, "/api/ws?operation_id=op&operation_id=other");
  client.send({ type: "subscribe", sub: "again", operation_id: "op" });
  const first = new Map<string, string>();
  for (let received = 0; received < 6; received += 1) {
    const { sub, type } = await client.next();
    if (!first.has(sub)) first.set(sub, type);
  }
  expect([...first]).toEqual([
    ["1", "subscribed"],
    ["2", "subscribed"],
    ["again", "subscribed"],
  ]);
});

test("a resume with the last cursor is answered subscribed, and nothing more until a change (C4)", async () => {
  const { scheduler, url } = await startStored();
  const first = await WsClient.connect(url, "/api/ws?operation_id=op");
  const { operation } = await first.nextOf("snapshot");
  const client = await WsClient.connect(url);
  client.send({ type: "subscribe", sub: "s", operation_id: "op", after: operation.cursor });
  expect((await client.next()).type).toBe("subscribed");
  scheduler.set("op", ENDED);
  expect(await client.next()).toMatchObject({
    type: "snapshot",
    operation: { status: "Completed" },
  });
  expect(await client.next()).toMatchObject({ type: "unsubscribed", reason: "terminal" });
  client.send({ type: "subscribe", sub: "t", operation_id: "op", after: undefined });
  const { cursor } = (await client.nextOf("snapshot")).operation;
  await client.nextOf("unsubscribed");
  client.send({ type: "subscribe", sub: "u", operation_id: "op", after: cursor });
  expect((await client.next()).type).toBe("subscribed");
  expect(await client.next()).toMatchObject({ type: "unsubscribed", sub: "u", reason: "terminal" });
});

test("an unknown operation is a problem of its subscription, and the connection stays open", async () => {
  const { url } = await startStored();
  const client = await WsClient.connect(url);
  client.send({ type: "subscribe", sub: "x", operation_id: "nobody" });
  expect((await client.next()).type).toBe("subscribed");
  expect(await client.next()).toMatchObject({
    type: "problem",
    sub: "x",
    operation_id: "nobody",
    problem: { status: 404, type: "urn:dts-push:problem:operation-not-found" },
  });
  expect(await client.next()).toMatchObject({
    type: "unsubscribed",
    sub: "x",
    reason: "not-found",
  });
  client.send({ type: "subscribe", sub: "x", operation_id: "op" });
  expect((await client.nextOf("snapshot")).sub).toBe("x");
});

test("after unsubscribe nothing more is sent, and its name can be used again", async () => {
  const { scheduler, url } = await startStored();
  const client = await WsClient.connect(url, "/api/ws?operation_id=op");
  await client.nextOf("snapshot");
  client.send({ type: "unsubscribe", sub: "1" });
  expect(await client.next()).toMatchObject({
    type: "unsubscribed",
    sub: "1",
    reason: "requested",
  });
  scheduler.set("op", ENDED);
  client.send({ type: "subscribe", sub: "1", operation_id: "other" });
  expect(await client.next()).toMatchObject({ type: "subscribed", operation_id: "other" });
  expect(await client.next()).toMatchObject({ type: "snapshot", operation_id: "other" });
});

test("each subscription gets one problem for an outage (WATCH-4)", async () => {
  const { scheduler, url } = await startStored();
  const client = await WsClient.connect(url, "/api/ws?operation_id=op");
  await client.nextOf("snapshot");
  scheduler.fault = { kind: "error", code: status.INTERNAL };
  expect(await client.next()).toMatchObject({
    type: "problem",
    sub: "1",
    problem: { status: 503 },
  });
});

test("a quiet connection gets a heartbeat, with as_of", async () => {
  const { url } = await startStored({ heartbeatMs: 50 });
  const client = await WsClient.connect(url, "/api/ws?operation_id=op");
  await client.nextOf("snapshot");
  const beat = await client.nextOf("heartbeat");
  expect(Date.parse(beat.as_of)).toBeGreaterThan(Date.now() - 10_000);
});

test("rotation says bye and closes with a code that means reconnect", async () => {
  const { url } = await startStored({ streamMaxAgeMs: 200 });
  const client = await WsClient.connect(url, "/api/ws?operation_id=op");
  expect(await client.nextOf("bye")).toMatchObject({ reason: "rotate", reconnect: true });
  expect((await client.closed()).code).toBe(1012);
});

test("a long message is fragments of exactly a piece, so that control frames may come between", () => {
  for (const length of [0, 125, 126, PIECE_BYTES - 4, PIECE_BYTES - 3, PIECE_BYTES * 3, 70_000]) {
    const text = "é".repeat(length / 2) + "x".repeat(length % 2);
    const frame = textFrame(text);
    const payloads: Buffer[] = [];
    let at = 0;
    let isFinal = false;
    while (!isFinal) {
      expect([at % PIECE_BYTES, (frame[at] ?? 0) & 0x0f]).toEqual([0, at === 0 ? 1 : 0]);
      isFinal = ((frame[at] ?? 0) & 0x80) !== 0;
      const isLong = frame[at + 1] === 126;
      const start = at + (isLong ? 4 : 2);
      const end = start + (isLong ? frame.readUInt16BE(at + 2) : (frame[at + 1] ?? 0));
      payloads.push(frame.subarray(start, end));
      at = end;
    }
    expect([at, Buffer.concat(payloads).toString()]).toEqual([frame.length, text]);
  }
});
