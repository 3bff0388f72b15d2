import { expect, test } from "vitest";
import { ended, history } from "../helpers/scheduler/history-entries.ts";
import { ScriptedHistories } from "../helpers/scheduler/scripted-histories.ts";
import { startTestApi } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";
import { historyReads, QUICK, upTo } from "./support.ts";

test("150 operations of 400 steps each on one WebSocket: every step, in at most three reads each (STEPS-1, STEPS-4)", async () => {
  const OPERATIONS = 150;
  const LENGTH = 400;
  const scheduler = await ScriptedHistories.start();
  const api = await startTestApi(scheduler.address, QUICK);
  const ids = Array.from({ length: OPERATIONS }, (_, index) => `op${index}`);
  const events = [...history(LENGTH - 1), ended()];
  for (const id of ids) {
    scheduler.histories.set(id, events);
    scheduler.set(id, { status: "COMPLETED" });
  }
  const socket = await WsClient.connect(api.url);
  const seqs = new Map<string, number[]>(ids.map((id) => [id, []]));
  for (const id of ids) {
    socket.send({ type: "subscribe", sub: id, operation_id: id, detail: "steps" });
  }
  for (let over = 0; over < OPERATIONS; ) {
    const { type, sub, seq } = await socket.next("the next frame", 20_000);
    if (type === "step") seqs.get(sub)?.push(seq);
    if (type === "unsubscribed") over += 1;
  }
  for (const id of ids) expect(seqs.get(id)).toEqual(upTo(LENGTH));
  expect(await historyReads(api)).toBeLessThanOrEqual(OPERATIONS * 3);
});
