import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { status } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { type Fault, ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { startTestApi } from "../helpers/stack.ts";

const STREAMS = 500;
const IDS = ["a", "b", "c"];

/** Every kind of stream, as the bytes of its request. */
const KINDS: readonly (() => string)[] = [
  () => get("/api/operations/a/events"),
  () => get("/api/operations/nobody/events"),
  () => get("/api/operations/b/events?detail=steps"),
  () => get("/api/events?operation_id=a&operation_id=b&operation_id=nobody"),
  () => get("/api/events"),
  () => get("/api/events?prefix=a"),
  () => get("/api/operations/a", "prefer: wait=60", `if-none-match: W/"${ahead()}"`),
  () => webSocket("/api/ws?operation_id=a&operation_id=nobody"),
  () => webSocket("/api/ws", { type: "subscribe", sub: "1", operation_id: "c" }),
  () => webSocket("/api/ws", { type: "subscribe", sub: "1", operation_id: "c", detail: "steps" }),
  () =>
    webSocket(
      "/api/ws",
      { type: "subscribe", sub: "1", operation_id: "b" },
      { type: "subscribe", sub: "1", operation_id: "b" },
      { type: "unsubscribe", sub: "1" },
      { type: "subscribe", sub: "1", operation_id: "a" },
    ),
];

/** When a client leaves, counted from its request. */
const MOMENTS: readonly ((socket: Socket, request: string) => Promise<void>)[] = [
  async (socket, request) => void socket.write(request.slice(0, request.length / 2)),
  async (socket, request) => void socket.write(request),
  async (socket, request) => {
    socket.write(request);
    await nextTurns(3);
  },
  (socket, request) => afterBytes(socket, request, 1),
  (socket, request) => afterBytes(socket, request, 600),
  async (socket, request) => {
    // Another request on top of one that is answered with a stream.
    await afterBytes(socket, request, 1);
    socket.write(request);
    await nextTurns(3);
  },
  async (socket, request) => {
    await afterBytes(socket, request, 1);
    socket.write("no HTTP\r\n\r\n");
  },
  async (socket, request) => {
    await afterBytes(socket, request, 1);
    socket.pause();
    await nextTurns(5);
  },
];

/** How it leaves: with a reset, or by ending its half first. */
const LEAVINGS: readonly ((socket: Socket) => void)[] = [
  (socket) => socket.resetAndDestroy(),
  (socket) => socket.destroy(),
  (socket) => socket.end(),
];

const TROUBLES: readonly Fault[] = [
  { kind: "none" },
  { kind: "none" },
  { kind: "held" },
  { kind: "error", code: status.INTERNAL },
  { kind: "slow", ms: 50 },
];

/** A cursor later than all that happens here, so that a client that resumes with it waits. */
function ahead(): string {
  const time = (Date.now() + 60_000).toString(36).padStart(9, "0");
  return `1.${time}.${time}.r11qhkbikyn`;
}

function get(path: string, ...headers: readonly string[]): string {
  return [`GET ${path} HTTP/1.1`, "host: localhost", ...headers, "", ""].join("\r\n");
}

function webSocket(path: string, ...messages: readonly object[]): string {
  const handshake = get(
    path,
    "connection: upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    `sec-websocket-key: ${randomBytes(16).toString("base64")}`,
    "sec-websocket-protocol: dts-push.v1",
  );
  return handshake + messages.map((message) => frame(JSON.stringify(message))).join("");
}

/** A masked text frame, whose mask changes nothing. @see RFC 6455, section 5.2 */
function frame(text: string): string {
  return `\x81${String.fromCharCode(0x80 | text.length)}\0\0\0\0${text}`;
}

async function nextTurns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise(setImmediate);
}

/** Until so much has been answered, or for a moment where nothing is. */
async function afterBytes(socket: Socket, request: string, bytes: number): Promise<void> {
  let received = 0;
  socket.on("data", (piece) => {
    received += piece.length;
  });
  socket.write(request, "latin1");
  const endMs = Date.now() + 100;
  await eventually("an answer", () => received >= bytes || socket.closed || Date.now() > endMs);
}

async function abandon(port: number, index: number): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => undefined);
  const pick = <T>(from: readonly T[], at: number): T => from[at % from.length] as T;
  const request = pick(KINDS, index)();
  await pick(MOMENTS, Math.floor(index / KINDS.length))(socket, request);
  pick(LEAVINGS, Math.floor(index / 7))(socket);
}

test("500 streams of every kind, cut at random moments, leave no socket, timer or subscription (SSE-3, WS-4)", async () => {
  const scheduler = await ScriptedScheduler.start();
  for (const id of IDS) scheduler.set(id, instance({ id, createdAtMs: Date.now() - 1000 }));
  const { url } = await startTestApi(scheduler.address, {
    pollMinMs: 20,
    pollMaxMs: 50,
    heartbeatMs: 250,
    completionCalls: 2,
  });
  for (let from = 0; from < STREAMS; from += 20) {
    scheduler.fault = TROUBLES[(from / 20) % TROUBLES.length] ?? { kind: "none" };
    const customStatus = JSON.stringify("x".repeat(from * 20));
    scheduler.set("a", instance({ id: "a", customStatus, lastUpdatedAtMs: Date.now() }));
    const batch = Array.from({ length: 20 }, (_, index) => abandon(Number(url.port), from + index));
    await Promise.all(batch);
  }
  scheduler.fault = { kind: "none" };

  const metrics = async () => (await fetch(new URL("/metrics", url))).text();
  const left = async () =>
    [
      ...(await metrics()).matchAll(
        /^(dts_push_(?:connections(?!_limit)|subscriptions|watched)\S*) (\d+)$/gm,
      ),
    ]
      .filter(([, , value]) => value !== "0")
      .map(([line]) => line);
  // A half that was ended by the client ends the other; watchers and feeds stay for 5 s.
  await eventually("all gauges at 0", async () => (await left()).length === 0, 30_000).catch(
    async () => expect(await left()).toEqual([]),
  );
  await eventually("no call that waits for an end", () => scheduler.openWaits === 0);
  await eventually("half a second without reads", () => {
    const lastMs = scheduler.calls.at(-1)?.atMs ?? 0;
    return performance.now() - lastMs > 500;
  });
  expect(await metrics()).toMatch(/^dts_push_disconnects_total\{reason="client-left"\} \d+/m);
});
