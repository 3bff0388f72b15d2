import { status } from "@grpc/grpc-js";
import type * as Proto from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import { describe, expect, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import {
  completed,
  ended,
  entry,
  history,
  scheduled,
  started,
  turnCompleted,
  turnStarted,
} from "../helpers/scheduler/history-entries.ts";
import { ScriptedHistories } from "../helpers/scheduler/scripted-histories.ts";
import { startTestApi } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";
import {
  metric,
  named,
  openSteps,
  QUICK,
  seqs,
  settles,
  stepsUrl,
  until,
  untilSeq,
  upTo,
} from "./support.ts";

async function startStage(keepsHistories = true) {
  const scheduler = await ScriptedHistories.start(keepsHistories);
  const api = await startTestApi(scheduler.address, QUICK);
  return { scheduler, api };
}

/** Stores a completed operation with this history. */
function finish(
  scheduler: ScriptedHistories,
  id: string,
  events: readonly Proto.HistoryEvent[],
): void {
  scheduler.histories.set(id, events);
  scheduler.set(id, { status: "COMPLETED", output: '"done"' });
}

async function historyDocument(url: URL, id: string) {
  const response = await fetch(new URL(`/api/operations/${id}/history`, url));
  expect(response.status).toBe(200);
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever JSON the server sends.
  return (await response.json()) as any;
}

describe("each step once and in order, however the history arrives (STEPS-1)", () => {
  test.for([1, 3, 7, 100_000])("in chunks of %i", async (perChunk) => {
    const { scheduler, api } = await startStage();
    scheduler.answer = (read) => scheduler.answerWhole(read, perChunk);
    const length = perChunk === 1 ? 300 : 10_000;
    finish(scheduler, "chunks", [...history(length - 1), ended()]);
    const events = await (await openSteps(api, "chunks")).untilBye();
    expect(seqs(events)).toEqual(upTo(length));
  });

  test("with empty chunks in between", async () => {
    const { scheduler, api } = await startStage();
    scheduler.answer = async (read) => {
      for (const event of scheduler.histories.get(read.id) ?? []) {
        await read.write([]);
        await read.write([event]);
      }
      await read.write([]);
      read.end();
    };
    finish(scheduler, "gaps", [...history(20), ended()]);
    expect(seqs(await (await openSteps(api, "gaps")).untilBye())).toEqual(upTo(21));
  });

  test("in a chunk of more than 4 MiB, gRPC's own limit for a message", async () => {
    const { scheduler, api } = await startStage();
    const bulky = Array.from({ length: 60 }, (_, id) => scheduled(id, "x".repeat(100_000)));
    finish(scheduler, "bulky", [turnStarted(), started(), ...bulky, ended()]);
    expect(seqs(await (await openSteps(api, "bulky")).untilBye())).toEqual(upTo(63));
  });

  test("when reads fail in the middle, several times", async () => {
    const { scheduler, api } = await startStage();
    finish(scheduler, "broken", [...history(500), ended()]);
    scheduler.answer = async (read) => {
      if (read.number > 3) return scheduler.answerWhole(read, 50);
      await read.write((scheduler.histories.get(read.id) ?? []).slice(0, read.number * 100));
      await new Promise((resolve) => setImmediate(resolve));
      read.fail(status.UNAVAILABLE);
    };
    expect(seqs(await (await openSteps(api, "broken")).untilBye())).toEqual(upTo(501));
  });

  test("when the scheduler answers one or two reads from a lagging copy", async () => {
    const { scheduler, api } = await startStage();
    const all = history(60);
    scheduler.histories.set("lags", all.slice(0, 40));
    scheduler.set("lags");
    const stream = await openSteps(api, "lags");
    const events = await untilSeq(stream, 40);
    await settles(
      "reads",
      () => scheduler.readsOf("lags"),
      () => scheduler.statusReadsOf("lags"),
    );
    const from = scheduler.readsOf("lags");
    scheduler.answer = async (read) => {
      const lag = read.number <= from + 2;
      await read.write(lag ? all.slice(0, 10 * (read.number - from)) : all);
      read.end();
    };
    scheduler.set("lags", { customStatus: '"more"' });
    events.push(...(await untilSeq(stream, 60)));
    expect(seqs(events)).toEqual(upTo(60));
    expect(named(events, "reset")).toEqual([]);
  });

  test("after an id, when the first reads do not reach it yet", async () => {
    const { scheduler, api } = await startStage();
    const all = [...history(60), ended()];
    finish(scheduler, "behind", all);
    const first = await openSteps(api, "behind");
    const events = await untilSeq(first, 30);
    first.destroy();
    const from = scheduler.readsOf("behind");
    scheduler.answer = async (read) => {
      await read.write(read.number <= from + 2 ? all.slice(0, 12) : all);
      read.end();
    };
    const second = await openSteps(api, "behind", { after: events.at(-1)?.id });
    events.push(...(await second.untilBye()));
    expect(seqs(events)).toEqual(upTo(61));
    expect(named(events, "reset")).toEqual([]);
  });

  test("when it is stored later than the terminal state", async () => {
    const { scheduler, api } = await startStage();
    const all = [...history(20), ended()];
    finish(scheduler, "late", all.slice(0, 15));
    const stream = await openSteps(api, "late");
    const events = await untilSeq(stream, 15);
    await eventually("some reads without the end", () => scheduler.readsOf("late") >= 4);
    scheduler.histories.set("late", all);
    events.push(...(await stream.untilBye()));
    expect(seqs(events)).toEqual(upTo(21));
    expect(events.at(-1)?.data.reason).toBe("terminal");
  });
});

describe("unusual histories", () => {
  test("entries of unknown types and without a time are steps too", async () => {
    const { scheduler, api } = await startStage();
    const timeless = entry((event) => event.setTimercreated(new pb.TimerCreatedEvent()), 0);
    timeless.clearTimestamp();
    const events = [
      turnStarted(),
      started(),
      entry(() => undefined),
      timeless,
      entry((event) => event.setGenericevent(new pb.GenericEvent())),
      ended(),
    ];
    finish(scheduler, "odd", events);
    const received = named(await (await openSteps(api, "odd")).untilBye(), "step");
    expect(received.map(({ seq, kind }) => [seq, kind])).toEqual([
      [1, "turn_started"],
      [2, "started"],
      [3, "other"],
      [4, "timer_created"],
      [5, "other"],
      [6, "completed"],
    ]);
    expect(received[3]).not.toHaveProperty("at");
    expect(received[2].at).toMatch(/^2023-/);
  });

  test.for([
    ["the epoch", 0],
    ["the year 1, as .NET sends an unset time", Date.parse("0001-01-01T00:00:00Z")],
  ] as const)("a time of %s is unknown: neither `at` nor a duration", async ([, unsetMs]) => {
    const { scheduler, api } = await startStage();
    const done = entry((event) => event.setTaskcompleted(new pb.TaskCompletedEvent()), -1, unsetMs);
    const untimed = [turnStarted(unsetMs), started("one", unsetMs), scheduled(0), done, ended()];
    finish(scheduler, "untimed", untimed);
    const steps = named(await (await openSteps(api, "untimed")).untilBye(), "step");
    expect(steps.map(({ kind, at }) => [kind, at === undefined])).toEqual([
      ["turn_started", true],
      ["started", true],
      ["activity_scheduled", false],
      ["activity_completed", true],
      ["completed", false],
    ]);
    expect(steps[3]).toMatchObject({ name: "task 0" });
    expect(steps[3]).not.toHaveProperty("duration_ms");
  });

  test("the end of an execution need not be the last entry", async () => {
    const { scheduler, api } = await startStage();
    finish(scheduler, "after", [...history(8), ended(), turnCompleted()]);
    const events = await (await openSteps(api, "after")).untilBye();
    expect(seqs(events)).toEqual(upTo(10));
    const before = scheduler.readsOf("after");
    const again = await fetch(stepsUrl(api.url, "after"), {
      headers: { "last-event-id": events.at(-1)?.id ?? "" },
    });
    expect(again.status).toBe(204);
    expect(scheduler.readsOf("after") - before).toBeLessThanOrEqual(2);
  });

  test("a history without its start is sent when it has ended, or is long", async () => {
    const { scheduler, api } = await startStage();
    finish(scheduler, "unbegun", [turnStarted(), ended("TERMINATED")]);
    expect(seqs(await (await openSteps(api, "unbegun")).untilBye())).toEqual([1, 2]);
    expect(await historyDocument(api.url, "unbegun")).toMatchObject({
      execution_id: null,
      steps: [{ seq: 1 }, { seq: 2 }],
    });
    scheduler.histories.set("headless", history(1000).slice(2));
    scheduler.set("headless");
    const stream = await openSteps(api, "headless");
    expect(seqs(await untilSeq(stream, 998))).toEqual(upTo(998));
  });

  test("a payload is not truncated in the middle of a character", async () => {
    const { scheduler, api } = await startStage();
    const input = `${"x".repeat(16 * 1024 - 1)}😀${"y".repeat(100)}`;
    finish(scheduler, "emoji", [
      turnStarted(),
      started(),
      scheduled(0, input),
      completed(0),
      ended(),
    ]);
    const stream = await openSteps(api, "emoji", { more: "&include=payloads" });
    const received = named(await stream.untilBye(), "step")[2];
    expect(received.truncated).toBe(true);
    expect(received.input.isWellFormed()).toBe(true);
  });
});

describe("a scheduler without a history", () => {
  test.for(["an empty stream", "NOT_FOUND"])(
    "%s: only the status is sent, and the stream ends with it",
    async (how) => {
      const { scheduler, api } = await startStage();
      if (how === "NOT_FOUND") scheduler.answer = (read) => read.fail(status.NOT_FOUND);
      scheduler.set("empty");
      const stream = await openSteps(api, "empty");
      expect(await stream.nextState()).toMatchObject({ event: "snapshot" });
      scheduler.set("empty", { status: "COMPLETED" });
      const events = await stream.untilBye();
      expect(events.map(({ event }) => event)).toEqual(["update", "bye"]);
      expect(events.at(-1)?.data.reason).toBe("terminal");
    },
  );

  test("that does not keep histories: one problem, and the status until its end", async () => {
    const { scheduler, api } = await startStage(false);
    scheduler.set("plain");
    const stream = await openSteps(api, "plain");
    const events = await until(stream, ({ event }) => event === "problem");
    expect(events.at(-1)?.data.problem).toMatchObject({
      type: "urn:dts-push:problem:history-not-kept",
      status: 501,
    });
    scheduler.set("plain", { customStatus: "1" });
    expect(await stream.nextState()).toMatchObject({ event: "update" });
    scheduler.set("plain", { status: "COMPLETED" });
    const last = await stream.untilBye();
    expect(last.map(({ event }) => event)).toEqual(["update", "bye"]);
    const again = await fetch(stepsUrl(api.url, "plain"), {
      headers: { "last-event-id": last.at(-1)?.id ?? "" },
    });
    expect(again.status).toBe(204);
    const document = await fetch(new URL("/api/operations/plain/history", api.url));
    expect([document.status, ((await document.json()) as { type: string }).type]).toEqual([
      501,
      "urn:dts-push:problem:history-not-kept",
    ]);
  });

  test("the same over a WebSocket", async () => {
    const { scheduler, api } = await startStage(false);
    scheduler.set("plain");
    const socket = await WsClient.connect(api.url);
    socket.send({ type: "subscribe", sub: "s", operation_id: "plain", detail: "steps" });
    expect(await socket.nextOf("problem")).toMatchObject({ sub: "s", problem: { status: 501 } });
    scheduler.set("plain", { status: "COMPLETED" });
    expect(await socket.nextOf("unsubscribed")).toMatchObject({ sub: "s", reason: "terminal" });
  });

  test("whose history cannot be read: one problem, and the steps when it can", async () => {
    const { scheduler, api } = await startStage();
    scheduler.set("dark");
    scheduler.histories.set("dark", history(10));
    scheduler.answer = (read) => read.fail(status.INTERNAL);
    const stream = await openSteps(api, "dark");
    const events = await until(stream, ({ event }) => event === "problem");
    expect(events.at(-1)?.data.problem).toMatchObject({
      type: "urn:dts-push:problem:history-unavailable",
      status: 503,
    });
    const reads = scheduler.readsOf("dark");
    await eventually("two more reads", () => scheduler.readsOf("dark") >= reads + 2);
    scheduler.answer = (read) => scheduler.answerWhole(read);
    const rest = await untilSeq(stream, 10);
    expect(named(rest, "problem")).toEqual([]);
    expect(seqs(rest)).toEqual(upTo(10));
  });
});

describe("the reason of a reset (STEPS-3)", () => {
  test("a history without entries is not rewritten: the next execution may have none yet", async () => {
    const { scheduler, api } = await startStage();
    scheduler.histories.set("next", history(12, "first"));
    scheduler.set("next");
    const stream = await openSteps(api, "next");
    await untilSeq(stream, 12);
    const before = scheduler.readsOf("next");
    scheduler.histories.set("next", []);
    scheduler.set("next");
    const sinceMs = Date.now();
    await eventually(
      "reads without entries, for longer than a copy may lag",
      () => scheduler.readsOf("next") >= before + 4 && Date.now() - sinceMs > 2500,
    );
    scheduler.histories.set("next", history(6, "second"));
    scheduler.set("next");
    const events = await untilSeq(stream, 6);
    expect(events.map(({ event }) => event).slice(0, 2)).toEqual(["reset", "step"]);
    expect(named(events, "reset")).toEqual([
      { type: "reset", reason: "continued_as_new", last_seq: 12 },
    ]);
  });

  test("a history that becomes shorter, and stays so, is rewritten", async () => {
    const { scheduler, api } = await startStage();
    const all = history(12);
    scheduler.histories.set("cut", all);
    scheduler.set("cut");
    const stream = await openSteps(api, "cut");
    await untilSeq(stream, 12);
    scheduler.histories.set("cut", all.slice(0, 5));
    scheduler.set("cut");
    const events = await untilSeq(stream, 5);
    expect(named(events, "reset")).toEqual([{ type: "reset", reason: "rewritten", last_seq: 12 }]);
    expect(seqs(events)).toEqual(upTo(5));
  });

  test("a rewind, then a continue-as-new, on a stream resumed from before both", async () => {
    const { scheduler, api } = await startStage();
    const first = [...history(10, "first"), ended("FAILED")];
    scheduler.histories.set("both", first);
    scheduler.set("both", { status: "FAILED", failure: { type: "E", message: "m" } });
    const events = await (await openSteps(api, "both")).untilBye();
    scheduler.histories.set(
      "both",
      [...first.slice(0, 8)].map((event, index) => (index === 1 ? started("second") : event)),
    );
    scheduler.set("both", { status: "RUNNING", failure: undefined });
    const second = await openSteps(api, "both", { after: events.at(-1)?.id });
    const rewound = await untilSeq(second, 8);
    expect(named(rewound, "reset")).toEqual([{ type: "reset", reason: "rewound", last_seq: 11 }]);
    scheduler.histories.set("both", history(6, "third"));
    scheduler.set("both");
    const continued = await untilSeq(second, 6);
    expect(named(continued, "reset")).toEqual([
      { type: "reset", reason: "continued_as_new", last_seq: 8 },
    ]);
  });

  test("a rewind that the steps show before the status does is reported once", async () => {
    const { scheduler, api } = await startStage();
    const endMs = Date.now() - 5000;
    const begun = (atMs: number, executionId: string) => [
      turnStarted(atMs),
      started(executionId, atMs),
    ];
    const first = [...begun(endMs - 1000, "first"), scheduled(0)];
    scheduler.histories.set("once", first);
    scheduler.set("once", { createdAtMs: endMs - 1000, lastUpdatedAtMs: endMs - 1 });
    const stream = await openSteps(api, "once");
    await untilSeq(stream, 3);
    scheduler.histories.set("once", begun(endMs - 1000, "second"));
    const failure = { type: "E", message: "m" };
    scheduler.set("once", { status: "FAILED", lastUpdatedAtMs: endMs, failure });
    const rewound = await untilSeq(stream, 2);
    expect(named(rewound, "reset")).toEqual([{ type: "reset", reason: "rewound", last_seq: 3 }]);
    scheduler.histories.set("once", [...begun(endMs + 1000, "third"), ended()]);
    scheduler.set("once", {
      status: "COMPLETED",
      failure: undefined,
      lastUpdatedAtMs: endMs + 2000,
    });
    const events = await stream.untilBye();
    expect(named(events, "reset")).toEqual([
      { type: "reset", reason: "continued_as_new", last_seq: 2 },
    ]);
    expect(named(events, "snapshot").map(({ operation }) => operation.status)).toEqual([
      "Completed",
    ]);
  });

  test("a failure of an earlier incarnation, of which no step was sent, is no rewind", async () => {
    const { scheduler, api } = await startStage();
    const startMs = Date.now() - 10_000;
    const failure = { type: "E", message: "m" };
    scheduler.set("anew", { status: "FAILED", failure, createdAtMs: startMs });
    const stream = await openSteps(api, "anew");
    await until(stream, ({ event }) => event === "snapshot");
    const begun = (atMs: number, executionId: string) => [
      turnStarted(atMs),
      started(executionId, atMs),
    ];
    scheduler.histories.set("anew", begun(startMs + 1000, "second"));
    scheduler.set("anew", {
      status: "RUNNING",
      failure: undefined,
      createdAtMs: startMs + 1000,
      lastUpdatedAtMs: startMs + 1000,
    });
    await untilSeq(stream, 2);
    scheduler.histories.set("anew", begun(startMs + 2000, "third"));
    scheduler.set("anew", { lastUpdatedAtMs: startMs + 2000 });
    expect(named(await untilSeq(stream, 2), "reset")).toEqual([
      { type: "reset", reason: "continued_as_new", last_seq: 2 },
    ]);
  });

  test.for(["from its first step", "from an id"])(
    "an operation that restarts before its last steps were sent is followed again, %s",
    async (from) => {
      const { scheduler, api } = await startStage();
      const endMs = Date.now() - 5000;
      const times = { createdAtMs: endMs - 1000, lastUpdatedAtMs: endMs };
      scheduler.histories.set("restarts", history(10, "first"));
      scheduler.set("restarts", { ...times, lastUpdatedAtMs: endMs - 1 });
      const first = await openSteps(api, "restarts");
      const after = (await untilSeq(first, 10)).at(-1)?.id;
      first.destroy();
      await eventually(
        "the server to close the connection",
        async () => (await metric(api, "dts_push_connections")) === 0,
      );

      scheduler.set("restarts", { ...times, status: "COMPLETED", output: '"old"' });
      await fetch(new URL("/api/operations/restarts", api.url));
      const asked = Promise.withResolvers<void>();
      const begun = Promise.withResolvers<void>();
      scheduler.answer = async (read) => {
        asked.resolve();
        await begun.promise;
        await scheduler.answerWhole(read);
      };
      const isResumed = from === "from an id";
      const stream = await openSteps(api, "restarts", { after: isResumed ? after : undefined });
      await asked.promise;
      const next = [turnStarted(Date.now()), started("second", Date.now()), scheduled(0)];
      scheduler.histories.set("restarts", next);
      const nextMs = Date.now();
      scheduler.set("restarts", {
        status: "RUNNING",
        createdAtMs: nextMs,
        lastUpdatedAtMs: nextMs,
        output: undefined,
      });
      begun.resolve();
      const events = await untilSeq(stream, 3);
      scheduler.histories.set("restarts", [...next, ended()]);
      scheduler.set("restarts", { status: "COMPLETED", output: '"new"' });
      events.push(...(await stream.untilBye()));
      expect(events.map(({ event }) => event)).toEqual([
        "snapshot",
        "snapshot",
        ...(isResumed ? ["reset"] : []),
        ...["step", "step", "step", "update", "step", "bye"],
      ]);
      expect(named(events, "snapshot").map(({ operation }) => operation.status)).toEqual([
        "Completed",
        "RUNNING",
      ]);
      if (isResumed) {
        expect(named(events, "reset")).toEqual([
          { type: "reset", reason: "replaced", last_seq: 10 },
        ]);
      }
      expect(seqs(events)).toEqual(upTo(4));
    },
  );

  test("steps of the old incarnation that arrive after the new status do not hide a restart", async () => {
    const { scheduler, api } = await startStage();
    const old = history(10, "old");
    scheduler.set("late-restart");
    const half = Promise.withResolvers<void>();
    scheduler.answer = async (read) => {
      await read.write(old.slice(0, 5));
      await half.promise;
      await read.write(old.slice(5));
      read.end();
    };
    const stream = await openSteps(api, "late-restart");
    const events = await untilSeq(stream, 5);
    const [atMs, nowMs] = [Date.now() - 1000, Date.now()];
    scheduler.set("late-restart", { createdAtMs: atMs, lastUpdatedAtMs: atMs });
    events.push(...(await until(stream, ({ event }) => event === "update")));
    scheduler.histories.set("late-restart", [turnStarted(nowMs), started("new", atMs)]);
    scheduler.answer = (read) => scheduler.answerWhole(read);
    half.resolve();
    events.push(...(await untilSeq(stream, 10)), ...(await untilSeq(stream, 2)));
    expect(seqs(events)).toEqual([...upTo(10), 1, 2]);
    expect(named(events, "reset")).toEqual([{ type: "reset", reason: "replaced", last_seq: 10 }]);
  });

  test("a made-up id leads to a reset, not to endless reads", async () => {
    const { scheduler, api } = await startStage();
    scheduler.histories.set("made-up", history(10));
    scheduler.set("made-up");
    const stream = await openSteps(api, "made-up");
    const [snapshot] = await untilSeq(stream, 10);
    for (const position of [
      "000000.0.0000000000",
      "abcdef.0.0000000000",
      "abcdef.zzzzzz.0000000000",
    ]) {
      const again = await openSteps(api, "made-up", {
        after: `${snapshot?.data.operation.cursor}.${position}`,
      });
      expect(seqs(await untilSeq(again, 10))).toEqual(upTo(10));
      again.destroy();
    }
  });
});
