import { expect, test } from "vitest";
import {
  cursorOf,
  isBefore,
  isSameState,
  parseCursor,
} from "../../src/streaming/operation/cursor.ts";
import { instance } from "../helpers/scheduler/instance.ts";

test("the same stored state gives the same cursor, and only it does (C1)", () => {
  const base = instance({ customStatus: '{"percent":10}' });
  expect(cursorOf({ ...base }).text).toBe(cursorOf(base).text);
  expect(cursorOf(base).text).toMatch(/^2\.[0-9a-z]{9}\.[0-9a-z]{9}\.[0-9a-z]{11}\.[0-9a-z]{6}$/);
  const different = [
    { ...base, customStatus: '{"percent":11}' },
    { ...base, status: "SUSPENDED" as const },
    { ...base, output: "1" },
    { ...base, failure: { type: "Error", message: "" } },
    { ...base, customStatus: undefined, output: '{"percent":10}' },
  ].map((other) => cursorOf(other).text);
  expect(new Set([cursorOf(base).text, ...different]).size).toBe(6);
});

test("a cursor is read back as it was sent (C1)", () => {
  const cursor = cursorOf(instance());
  expect(parseCursor(cursor.text, "op")).toEqual(cursor);
});

test("an unreadable cursor counts as none", () => {
  const { text } = cursorOf(instance());
  for (const made of ["", "7", `1${text.slice(1)}`, `${text} `, `${text}.x`, text.toUpperCase()]) {
    expect(parseCursor(made, "op"), made).toBeUndefined();
  }
  expect(parseCursor(undefined, "op")).toBeUndefined();
});

test("states with the same created_at and content are the same, whatever their last_updated", () => {
  const one = instance();
  const touched = cursorOf({ ...one, lastUpdatedAtMs: one.lastUpdatedAtMs + 5 });
  expect(isSameState(cursorOf(one), touched)).toBe(true);
  expect(isSameState(cursorOf(one), cursorOf({ ...one, createdAtMs: one.createdAtMs + 1 }))).toBe(
    false,
  );
});

test("states are ordered by incarnation, then by update, then by end (C2)", () => {
  const one = instance();
  const later = { ...one, lastUpdatedAtMs: one.lastUpdatedAtMs + 1 };
  const reborn = {
    ...one,
    createdAtMs: one.createdAtMs + 1,
    lastUpdatedAtMs: one.lastUpdatedAtMs - 9,
  };
  const ended = { ...one, status: "COMPLETED" as const };
  const before = (a: typeof one, b: typeof one) => isBefore(cursorOf(a), cursorOf(b));
  expect([before(one, later), before(later, one)]).toEqual([true, false]);
  expect([before(later, reborn), before(reborn, later)]).toEqual([true, false]);
  expect([before(one, ended), before(ended, one)]).toEqual([true, false]);
  expect(before(one, { ...one, customStatus: "2" })).toBe(false);
});

test("a continue-as-new is not a state", () => {
  const running = cursorOf(instance());
  expect(isSameState(running, cursorOf(instance({ status: "CONTINUED_AS_NEW" })))).toBe(true);
});

test("a cursor of another operation counts as none", () => {
  const { text } = cursorOf(instance({ id: "one" }));
  expect(parseCursor(text, "one")).toBeDefined();
  expect(parseCursor(text, "other")).toBeUndefined();
});

test("the date of a cursor is not compared with this machine's clock", () => {
  const ahead = cursorOf(instance({ lastUpdatedAtMs: Date.now() + 3_600_000 }));
  expect(parseCursor(ahead.text, "op")).toEqual(ahead);
});
