import { expect, test } from "vitest";
import { cursorOf } from "../../src/streaming/operation/cursor.ts";
import { toOperation } from "../../src/streaming/operation/operation.ts";
import { instance } from "../helpers/scheduler/instance.ts";

const documentOf = (overrides: Parameters<typeof instance>[0]) =>
  JSON.parse(toOperation(instance(overrides)).json);

test("a document has the keys of the stored state, and no others", () => {
  expect(documentOf({})).toEqual({
    operation_id: "op",
    name: "test",
    status: "RUNNING",
    created_at: "2023-11-14T22:13:20.000Z",
    last_updated: "2023-11-14T22:13:21.000Z",
    cursor: cursorOf(instance()).text,
  });
});

test("what describes an operation is there where the scheduler has it", () => {
  const facts = { version: "2", tags: { team: "blue" }, parentId: "parent" };
  const times = { scheduledAtMs: 1_700_000_000_500, completedAtMs: 1_700_000_001_000 };
  const shown = {
    name: "test",
    version: "2",
    tags: { team: "blue" },
    parent_id: "parent",
    scheduled_at: "2023-11-14T22:13:20.500Z",
  };
  expect(documentOf({ ...facts, ...times, status: "COMPLETED" })).toMatchObject({
    ...shown,
    completed_at: "2023-11-14T22:13:21.000Z",
  });
  // Some schedulers keep the time of an end that was undone.
  const running = documentOf({ ...facts, ...times });
  expect(running).toMatchObject(shown);
  expect(running).not.toHaveProperty("completed_at");
});

test("what describes an operation takes no part in its cursor: not every read returns it (C1)", () => {
  const facts = { version: "2", tags: { a: "b" }, parentId: "p", completedAtMs: 1, name: "other" };
  expect(cursorOf(instance(facts)).text).toBe(cursorOf(instance()).text);
});

test("the input is not kept with a state (OPERATION-1)", () => {
  const read = { ...instance(), input: '"large"' };
  expect(toOperation(read).instance).toEqual(instance());
});

test("every stored status is shown under its name in the protocol", () => {
  const shown = (
    [
      "PENDING",
      "RUNNING",
      "SUSPENDED",
      "CONTINUED_AS_NEW",
      "COMPLETED",
      "FAILED",
      "TERMINATED",
      "CANCELED",
    ] as const
  ).map((status) => documentOf({ status, lastUpdatedAtMs: 1_700_000_000_000 }).status);
  expect(shown).toEqual([
    "PENDING",
    "RUNNING",
    "SUSPENDED",
    "RUNNING",
    "Completed",
    "Failed",
    "TERMINATED",
    "CANCELED",
  ]);
});

test("a result is parsed JSON, or the raw string where it is none", () => {
  expect(documentOf({ status: "COMPLETED", output: '{"a":[1]}' }).result).toEqual({ a: [1] });
  expect(documentOf({ status: "COMPLETED", output: "not json\r\n" }).result).toBe("not json\r\n");
  expect(documentOf({ status: "TERMINATED", output: '"why"' }).result).toBe("why");
  expect(documentOf({ status: "RUNNING", output: "1" })).not.toHaveProperty("result");
});

test("a failure is type and message, and never a stack", () => {
  const failure = { type: "TypeError", message: "no" };
  expect(documentOf({ status: "FAILED", failure }).error).toEqual(failure);
});

test("custom status keeps its digits", () => {
  const { json } = toOperation(
    instance({ customStatus: '{ "n": 12345678901234567890,\n"e": 1.0 }' }),
  );
  expect(json).toContain('"custom_status":{ "n": 12345678901234567890, "e": 1.0 }');
  expect(json).not.toMatch(/[\r\n]/);
});

test("PENDING shows as RUNNING once the operation has been updated after its creation", () => {
  const created = instance({ status: "PENDING", createdAtMs: 1000, lastUpdatedAtMs: 1000 });
  expect(documentOf(created).status).toBe("PENDING");
  const continued = { ...created, lastUpdatedAtMs: 1001 };
  expect(documentOf(continued).status).toBe("RUNNING");
  const running = { ...continued, status: "RUNNING" as const };
  expect(cursorOf(continued).state).toBe(cursorOf(running).state);
});
