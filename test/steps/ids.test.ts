import { expect, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { ended, history } from "../helpers/scheduler/history-entries.ts";
import { ScriptedHistories } from "../helpers/scheduler/scripted-histories.ts";
import type { ReceivedEvent } from "../helpers/sse-client.ts";
import { startTestApi } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";
import { named, openSteps, QUICK, seqs, until, untilSeq, upTo } from "./support.ts";

/** The last three fields of every id on a stream with steps. */
const POSITION = /\.[0-9a-z]{6}\.[0-9a-z]{1,6}\.[0-9a-z]{10}$/;
const BEFORE_THE_FIRST = /\.000000\.0\.0000000000$/;

const idsOf = (events: readonly ReceivedEvent[]) => events.map(({ id }) => id);

/** A scheduler that answers no read of a history before `release` is called, and two replicas. */
async function startHeld() {
  const scheduler = await ScriptedHistories.start();
  const released = Promise.withResolvers<void>();
  scheduler.answer = async (read) => {
    await released.promise;
    await scheduler.answerWhole(read);
  };
  const often = { ...QUICK, heartbeatMs: 50 };
  const api = await startTestApi(scheduler.address, often);
  const replica = await startTestApi(scheduler.address, often);
  return { scheduler, api, replica, release: () => released.resolve() };
}

test("every id carries a position, also before the first step, and resumes without a reset", async () => {
  const { scheduler, api, replica, release } = await startHeld();
  scheduler.histories.set("held", history(10));
  scheduler.set("held");
  const first = await openSteps(api, "held");
  const before = [await first.next(), await first.next()];
  scheduler.set("held", { customStatus: "1" });
  before.push(await first.nextState());
  expect(before.map(({ event }) => event)).toEqual(["snapshot", "heartbeat", "update"]);
  for (const id of idsOf(before)) expect(id).toMatch(BEFORE_THE_FIRST);
  first.destroy();
  release();

  const second = await openSteps(replica, "held", { after: before.at(-1)?.id });
  const events = await untilSeq(second, 10);
  expect(events.map(({ event }) => event)).toEqual(upTo(10).map(() => "step"));
  expect(seqs(events)).toEqual(upTo(10));
  for (const id of idsOf(events)) expect(id).toMatch(POSITION);
  second.destroy();

  scheduler.histories.set("held", [...history(12, "next"), ended()]);
  scheduler.set("held", { status: "COMPLETED" });
  const third = await openSteps(api, "held", { after: events.at(-1)?.id });
  const reset = (await until(third, ({ event }) => event === "reset")).at(-1);
  expect(reset?.id).toMatch(BEFORE_THE_FIRST);
  third.destroy();
  const fourth = await (await openSteps(replica, "held", { after: reset?.id })).untilBye();
  expect(named(fourth, "reset")).toEqual([]);
  expect(seqs(fourth)).toEqual(upTo(13));
  for (const id of idsOf(fourth)) expect(id).toMatch(POSITION);
});

test("every frame of a subscription with steps has such a cursor", async () => {
  const { scheduler, api, release } = await startHeld();
  scheduler.histories.set("held", history(5));
  scheduler.set("held");
  const socket = await WsClient.connect(api.url);
  const subscribe = { type: "subscribe", operation_id: "held", detail: "steps" };
  socket.send({ ...subscribe, sub: "a" });
  const { cursor } = await socket.nextOf("snapshot");
  expect(cursor).toMatch(BEFORE_THE_FIRST);
  socket.send({ type: "unsubscribe", sub: "a" });
  await socket.nextOf("unsubscribed");
  release();
  socket.send({ ...subscribe, sub: "b", after: cursor });
  const types: string[] = [];
  await eventually("the fifth step", async () => {
    const { type, sub, seq } = await socket.next();
    if (sub === "b") types.push(type);
    return seq === 5;
  });
  expect(types).toEqual(["subscribed", ...upTo(5).map(() => "step")]);
});

test("a scheduler without histories leaves the position before the first step", async () => {
  const scheduler = await ScriptedHistories.start(false);
  const api = await startTestApi(scheduler.address, QUICK);
  scheduler.set("plain", { status: "COMPLETED" });
  const events = await (await openSteps(api, "plain")).untilBye();
  expect(events.map(({ event }) => event)).toEqual(["snapshot", "problem", "bye"]);
  for (const id of idsOf(events)) expect(id).toMatch(BEFORE_THE_FIRST);
});
