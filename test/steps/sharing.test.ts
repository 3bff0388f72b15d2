import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import { expect, onTestFinished, test, vi } from "vitest";
import { createSchedulerClient } from "../../src/dts/client.ts";
import { createConnection } from "../../src/dts/connection/connection.ts";
import { eventually } from "../helpers/deadline.ts";
import {
  completed,
  ended,
  history,
  scheduled,
  started,
  turnStarted,
} from "../helpers/scheduler/history-entries.ts";
import { ScriptedHistories } from "../helpers/scheduler/scripted-histories.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";
import { historyReads, openSteps, QUICK, seqs, settles, until, untilSeq } from "./support.ts";

async function startStage() {
  const scheduler = await ScriptedHistories.start();
  const api = await startTestApi(scheduler.address, QUICK);
  /** Waits until this history is not read any more. */
  const settled = (id: string) =>
    settles(
      `no more reads of ${id}`,
      () => scheduler.readsOf(id),
      () => scheduler.statusReadsOf(id),
    );
  return { scheduler, api, settled };
}

/** A history whose payloads are more than socket buffers hold. */
function bulkyHistory(activities: number, payloadBytes: number) {
  const events = [turnStarted(), started()];
  for (let id = 0; id < activities; id += 1) {
    events.push(scheduled(id, "x".repeat(payloadBytes)), completed(id));
  }
  return events;
}

test("a history is read once for each change, for 100 subscribers as for one (STEPS-4)", async () => {
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
      const received = await Promise.all(streams.map((stream) => untilSeq(stream, 20 + move)));
      for (const events of received) expect(seqs(events)).toEqual([20 + move]);
    }
    reads.push((await settled(id)) - before);
    expect((await historyReads(api)) - counted).toBe(reads.at(-1));
    for (const stream of streams) stream.destroy();
  }
  expect(reads).toEqual([MOVES, MOVES]);
});

test("no history is read without a subscriber to steps, nor while the status stays the same", async () => {
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
  // The catch-up pass includes the changes before it.
  expect(await historyReads(api)).toBe(1);
  stream.destroy();
  const before = scheduler.statusReadsOf("quiet");
  scheduler.set("quiet", { customStatus: "3" });
  await status.nextState();
  await eventually("more reads", () => scheduler.statusReadsOf("quiet") >= before + 3);
  expect(await historyReads(api)).toBe(1);
});

test("when the last subscriber leaves, the current read ends at once (STEPS-7)", async () => {
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

test("a subscriber that stalls during a catch-up delays no status subscriber", async () => {
  const { scheduler, api } = await startStage();
  scheduler.histories.set("both", bulkyHistory(2500, 8000));
  scheduler.set("both");
  const stalled = await openSteps(api, "both", { more: "&include=payloads" });
  await untilSeq(stalled, 5);
  stalled.pause();
  const status = await SseClient.connect(new URL("/api/operations/both/events", api.url));
  await status.nextState();
  const readsUntilSent: number[] = [];
  for (let move = 1; move <= 30; move += 1) {
    const before = scheduler.statusReadsOf("both");
    scheduler.set("both", { customStatus: `${move}` });
    expect((await status.nextState()).data.operation.custom_status).toBe(move);
    readsUntilSent.push(scheduler.statusReadsOf("both") - before);
  }
  const median = readsUntilSent.sort((a, b) => a - b)[15] ?? 0;
  expect(median).toBeLessThanOrEqual(2);
});

test("a reader that stops holds two chunks of a history, not the whole of it (STEPS-6)", async () => {
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

test("a subscriber that stops reading stops the read of its history (STEPS-6)", async () => {
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
  await eventually("the scheduler to be stopped", async () => {
    const before = written;
    await new Promise((resolve) => setTimeout(resolve, 200));
    return written > 0 && written === before;
  });
  // 160 kB each. Socket buffers hold less than a third of all.
  expect(written).toBeLessThan(CHUNKS / 3);
});

test("a terminal status is followed by the last steps at once, without the interval between two reads", async () => {
  const { scheduler, api } = await startStage();
  const all = history(30);
  const open = async (id: string) => {
    scheduler.histories.set(id, all);
    scheduler.set(id);
    const stream = await openSteps(api, id);
    await untilSeq(stream, 30);
    return stream;
  };
  const [ends, goesOn] = [await open("ends"), await open("goes-on")];
  // After a read of a second, the next one begins three seconds later.
  const released = Promise.withResolvers<void>();
  scheduler.answer = async (read) => {
    await released.promise;
    await scheduler.answerWhole(read);
  };
  const isRead = (id: string, from: number) =>
    eventually(`a pass over ${id}`, () => scheduler.readsOf(id) > from);
  const passes = [isRead("ends", scheduler.readsOf("ends"))];
  passes.push(isRead("goes-on", scheduler.readsOf("goes-on")));
  for (const id of ["ends", "goes-on"]) scheduler.set(id, { customStatus: '"almost"' });
  await Promise.all(passes);
  setTimeout(released.resolve, 1000);
  scheduler.histories.set("ends", [...all, ended()]);
  scheduler.set("ends", { status: "COMPLETED" });
  await until(ends, ({ data }) => data.operation?.status === "Completed");
  await released.promise;
  await eventually("the end of the pass", () => scheduler.openReads === 0);
  scheduler.histories.set("goes-on", [...all, ended()]);
  scheduler.set("goes-on", { customStatus: '"later"' });
  expect(seqs(await ends.untilBye())).toEqual([31]);
  expect(goesOn.waiting.some(({ data }) => data.seq === 31)).toBe(false);
  await untilSeq(goesOn, 31);
});
