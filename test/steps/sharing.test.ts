import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import { expect, onTestFinished, test, vi } from "vitest";
import { createSchedulerClient } from "../../src/dts/client.ts";
import { createConnection } from "../../src/dts/connection.ts";
import { eventually, within } from "../helpers/deadline.ts";
import {
  completed,
  ended,
  history,
  ScriptedHistories,
  scheduled,
  started,
  turnStarted,
} from "../helpers/scripted-histories.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";
import {
  historyReads,
  openSteps,
  QUICK,
  seqs,
  standsStill,
  until,
  untilSeq,
  upTo,
} from "./support.ts";

async function startStage() {
  const scheduler = await ScriptedHistories.start();
  const api = await startTestApi(scheduler.address, QUICK);
  /** Waits until no more of this history is read. */
  const settled = (id: string) =>
    standsStill(
      `no more reads of ${id}`,
      () => scheduler.readsOf(id),
      () => scheduler.statusReadsOf(id),
    );
  return { scheduler, api, settled };
}

/** A history with payloads, of more bytes than sockets hold. */
function bulkyHistory(activities: number, payloadBytes: number) {
  const events = [turnStarted(), started()];
  for (let id = 0; id < activities; id += 1) {
    events.push(scheduled(id, "x".repeat(payloadBytes)), completed(id));
  }
  return events;
}

test("T1: a history is read as often for 100 subscribers as for one: once a move", async () => {
  const { scheduler, api, settled } = await startStage();
  const MOVES = 15;
  const reads: number[] = [];
  for (const [id, count] of [
    ["few", 1],
    ["many", 100],
  ] as const) {
    const all = history(20 + MOVES);
    scheduler.histories.set(id, all.slice(0, 20));
    scheduler.set(id);
    const streams = await Promise.all(Array.from({ length: count }, () => openSteps(api, id)));
    await Promise.all(streams.map((stream) => untilSeq(stream, 20)));
    const before = await settled(id);
    const counted = await historyReads(api);
    for (let move = 1; move <= MOVES; move += 1) {
      scheduler.histories.set(id, all.slice(0, 20 + move));
      scheduler.set(id, { customStatus: `${move}` });
      const told = await Promise.all(streams.map((stream) => untilSeq(stream, 20 + move)));
      for (const events of told) expect(seqs(events)).toEqual([20 + move]);
    }
    reads.push((await settled(id)) - before);
    expect((await historyReads(api)) - counted).toBe(reads.at(-1));
    for (const stream of streams) stream.destroy();
  }
  expect(reads).toEqual([MOVES, MOVES]);
});

test("nothing is read where nobody asks for steps, nor while the status stands still", async () => {
  const { scheduler, api, settled } = await startStage();
  scheduler.histories.set("quiet", history(20));
  scheduler.set("quiet");
  const status = await SseClient.connect(new URL("/api/operations/quiet/events", api.url));
  await status.nextState();
  for (const custom of ["1", "2"]) {
    scheduler.set("quiet", { customStatus: custom });
    await status.nextState();
  }
  await settled("quiet");
  expect(await historyReads(api)).toBe(0);
  const stream = await openSteps(api, "quiet");
  await untilSeq(stream, 20);
  await settled("quiet");
  // One to catch up: what moved before it began is in it.
  expect(await historyReads(api)).toBe(1);
  stream.destroy();
  const before = scheduler.statusReadsOf("quiet");
  scheduler.set("quiet", { customStatus: "3" });
  await status.nextState();
  await eventually("more reads", () => scheduler.statusReadsOf("quiet") >= before + 3);
  expect(await historyReads(api)).toBe(1);
});

test("T4: when its last subscriber leaves, a read that is under way ends at once", async () => {
  const { scheduler, api } = await startStage();
  scheduler.histories.set("stuck", history(30));
  scheduler.set("stuck");
  scheduler.answer = (read) => read.write((scheduler.histories.get("stuck") ?? []).slice(0, 10));
  const stream = await openSteps(api, "stuck");
  await untilSeq(stream, 10);
  expect(scheduler.openReads).toBe(1);
  stream.destroy();
  await eventually("the read to be cancelled", () => scheduler.openReads === 0, 3000);
});

test("a step subscriber that stalls in a long catch-up delays no status subscriber", async () => {
  const { scheduler, api } = await startStage();
  scheduler.histories.set("both", bulkyHistory(2500, 8000));
  scheduler.set("both");
  const stalled = await openSteps(api, "both", { more: "&include=payloads" });
  await untilSeq(stalled, 5);
  stalled.pause();
  const status = await SseClient.connect(new URL("/api/operations/both/events", api.url));
  await status.nextState();
  const latenciesMs: number[] = [];
  for (let move = 1; move <= 30; move += 1) {
    const setAtMs = performance.now();
    scheduler.set("both", { customStatus: `${move}` });
    expect((await status.nextState()).data.operation.custom_status).toBe(move);
    latenciesMs.push(performance.now() - setAtMs);
  }
  const median = latenciesMs.sort((a, b) => a - b)[15] ?? 0;
  expect(median).toBeLessThan(500);
});

test("T3: who comes while a slow one is caught up does not go at its pace", async () => {
  const { scheduler, api } = await startStage();
  scheduler.histories.set("paces", bulkyHistory(600, 8000));
  scheduler.set("paces");
  const slow = await openSteps(api, "paces", { more: "&include=payloads" });
  await untilSeq(slow, 5);
  slow.pause();
  // Takes a little now and then, so that it is never given up.
  let isSlow = true;
  const trickle = setInterval(() => {
    slow.resume();
    setImmediate(() => isSlow && slow.pause());
  }, 400);
  onTestFinished(() => clearInterval(trickle));
  await eventually("it to be waited for", async () => {
    const before = slow.raw.length;
    await new Promise((resolve) => setTimeout(resolve, 300));
    return slow.raw.length - before < 3_000_000;
  });
  const quick = await openSteps(api, "paces");
  expect(seqs(await within("all steps", untilSeq(quick, 1202), 8000))).toEqual(upTo(1202));
  isSlow = false;
  clearInterval(trickle);
  scheduler.histories.set("paces", [...(scheduler.histories.get("paces") ?? []), ended()]);
  scheduler.set("paces", { status: "COMPLETED" });
  slow.resume();
  const told = seqs(await slow.untilBye(20_000));
  expect(told).toEqual(upTo(1203).slice(5));
});

test("T3: a reader of a history that stops holds two chunks, not all that it could be sent", async () => {
  const { scheduler } = await startStage();
  scheduler.answer = async (read) => {
    for (let chunk = 0; chunk < 60 && !read.gone.aborted; chunk += 1) {
      await read.write([scheduled(chunk, "x".repeat(1_000_000))]);
    }
    read.end();
  };
  const target = {
    address: scheduler.address,
    taskHub: "default",
    authentication: { kind: "none" },
  };
  const client = createSchedulerClient(createConnection(target as never));
  onTestFinished(() => client.close());
  const decode = vi.spyOn(pb.HistoryChunk, "deserializeBinary");
  onTestFinished(() => decode.mockRestore());
  const chunks = client.readHistory("any")[Symbol.asyncIterator]();
  for (let taken = 1; taken <= 20; taken += 1) {
    await chunks.next();
    if (taken % 10 !== 0) continue;
    await eventually("no more to be decoded", async () => {
      const before = decode.mock.calls.length;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return decode.mock.calls.length === before;
    });
    expect(decode.mock.calls.length - taken).toBeLessThanOrEqual(1);
  }
  await chunks.return?.();
  await eventually("the read to be cancelled", () => scheduler.openReads === 0);
});

test("T3: a subscriber that stops reading stops the reading of its history", async () => {
  const { scheduler, api } = await startStage();
  const CHUNKS = 300;
  let written = 0;
  scheduler.set("held");
  scheduler.answer = async (read) => {
    await read.write([turnStarted(), started()]);
    for (let chunk = 0; chunk < CHUNKS && !read.gone.aborted; chunk += 1) {
      const ids = Array.from({ length: 10 }, (_, index) => chunk * 10 + index);
      await read.write(ids.map((id) => scheduled(id, "x".repeat(16_000))));
      written += 1;
    }
    read.end();
  };
  const stream = await openSteps(api, "held", { more: "&include=payloads" });
  stream.pause();
  await eventually("the scheduler to be held up", async () => {
    const before = written;
    await new Promise((resolve) => setTimeout(resolve, 200));
    return written > 0 && written === before;
  });
  // 160 kB each: what the sockets between server and client hold, and a little more.
  expect(written).toBeLessThan(CHUNKS / 3);
});

test("a stream does not outstay the end of its operation by the rest between two reads", async () => {
  const { scheduler, api } = await startStage();
  const all = history(30);
  scheduler.histories.set("ends", all);
  scheduler.set("ends");
  const stream = await openSteps(api, "ends");
  await untilSeq(stream, 30);
  // A read that takes as long as this would be followed by a rest of three seconds.
  const slowly = Promise.withResolvers<void>();
  scheduler.answer = async (read) => {
    setTimeout(slowly.resolve, 1000);
    await slowly.promise;
    await scheduler.answerWhole(read);
  };
  const reads = scheduler.readsOf("ends");
  scheduler.set("ends", { customStatus: '"almost"' });
  await eventually("a read that takes long", () => scheduler.readsOf("ends") > reads);
  scheduler.histories.set("ends", [...all, ended()]);
  scheduler.set("ends", { status: "COMPLETED" });
  const events = await until(stream, ({ data }) => data.operation?.status === "Completed");
  const toldAtMs = performance.now();
  events.push(...(await stream.untilBye()));
  expect(seqs(events)).toEqual([31]);
  expect(performance.now() - toldAtMs).toBeLessThan(2500);
});
