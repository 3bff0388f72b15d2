import { expect, test } from "vitest";
import { FeedLog } from "../../src/streaming/feed/feed-log.ts";
import { toOperation } from "../../src/streaming/operation/operation.ts";
import { instance } from "../helpers/scheduler/instance.ts";

const START_MS = 1_700_000_000_000;
const op = (index: number, more = {}) =>
  toOperation(instance({ id: `op-${index}`, createdAtMs: START_MS + index, ...more }));
const ids = (log: FeedLog) => [...log.entries()].map(({ operation }) => operation.id);

test("one entry an operation, in the order of the last change (FEEDLOG-1)", () => {
  const log = new FeedLog(10, 1_000_000);
  for (const index of [1, 2, 3]) log.put(op(index));
  const changed = log.put(op(1, { customStatus: "1", lastUpdatedAtMs: START_MS + 9_000 }));
  expect(changed?.previous?.id).toBe("op-1");
  expect(ids(log)).toEqual(["op-2", "op-3", "op-1"]);
  expect(log.get("op-1")?.previous).toBeUndefined(); // LOG-3
  expect(log.put(op(1, { customStatus: "1", lastUpdatedAtMs: START_MS + 9_500 }))).toBeUndefined();
  expect(log.since(3).map(({ operation }) => operation.id)).toEqual(["op-1"]);
  expect(log.newestFirst()).toEqual(["op-3", "op-2", "op-1"]);
});

test("a state whose date alone has moved is no change, and has the new date (LOG-4)", () => {
  const log = new FeedLog(10, 1_000_000);
  for (const index of [1, 2]) log.put(op(index));
  const dateMs = () => log.get("op-1")?.operation.cursor.lastUpdatedAtMs;
  expect(log.put(op(1, { lastUpdatedAtMs: START_MS + 9_000 }))).toBeUndefined();
  expect([dateMs(), log.seq, ids(log)]).toEqual([START_MS + 9_000, 2, ["op-1", "op-2"]]);
  expect(log.put(op(1, { lastUpdatedAtMs: START_MS + 8_000 }))).toBeUndefined();
  expect(dateMs()).toBe(START_MS + 9_000);
});

test("past its capacity the ones created first are dropped, in whatever order they come (FEEDLOG-2)", () => {
  const log = new FeedLog(3, 1_000_000);
  for (const index of [5, 1, 4, 2, 6, 3]) log.put(op(index));
  expect([log.newestFirst(), log.dropped]).toEqual([["op-6", "op-5", "op-4"], true]);
});

test("large documents leave room for fewer (FEEDLOG-2)", () => {
  const log = new FeedLog(1000, 100_000);
  const output = JSON.stringify("x".repeat(30_000));
  for (let index = 0; index < 50; index += 1) log.put(op(index, { status: "COMPLETED", output }));
  expect(log.newestFirst()).toEqual(["op-49", "op-48", "op-47"]);
  for (const id of log.newestFirst()) log.remove(id);
  expect(log.put(op(1))).toBeDefined();
});
