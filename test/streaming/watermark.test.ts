import { expect, test } from "vitest";
import { toOperation } from "../../src/streaming/operation/operation.ts";
import {
  formatIds,
  formatTime,
  formatWatermark,
  parseIds,
  parseTime,
  parseWatermark,
  type Sent,
  scopeOf,
} from "../../src/streaming/operation/watermark.ts";
import { instance } from "../helpers/scheduler/instance.ts";

const SCOPE = scopeOf("ids", ["a", "b"]);
const sent = (id: string, lastUpdatedAtMs: number, customStatus = "1"): Sent => {
  const { cursor } = operation(id, lastUpdatedAtMs, customStatus);
  return { id, ...cursor };
};
const operation = (id: string, lastUpdatedAtMs: number, customStatus = "1") =>
  toOperation(instance({ id, lastUpdatedAtMs, customStatus }));

const VALID = { isValidThrough: () => true };

test("a watermark covers what was sent, and nothing that changed since", () => {
  const text = formatWatermark(SCOPE, 1_700_000_000_500, [
    sent("a", 1_700_000_000_400),
    sent("b", 1_700_000_000_600),
  ]);
  const watermark = parseWatermark(text, SCOPE, VALID);
  expect(watermark?.covers(operation("a", 1_700_000_000_400))).toBe(true);
  expect(watermark?.covers(operation("b", 1_700_000_000_600))).toBe(true);
  expect(watermark?.covers(operation("a", 1_700_000_000_500, "2"))).toBe(false);
  expect(watermark?.covers(operation("b", 1_700_000_000_700, "2"))).toBe(false);
});

test("a watermark of another scope, or a text that is none, counts as none", () => {
  const text = formatWatermark(SCOPE, 5, []);
  expect(parseWatermark(text, scopeOf("ids", ["a"]), VALID)).toBeUndefined();
  expect(parseWatermark(text, scopeOf("prefix", ["a", "b"]), VALID)).toBeUndefined();
  for (const none of [undefined, "", "m1", `${text}.`, `${text}.abc`, text.toUpperCase()]) {
    expect(parseWatermark(none, SCOPE, VALID), none).toBeUndefined();
  }
  expect(scopeOf("ids", ["b", "a"])).toBe(SCOPE);
});

test("a watermark stays below 256 characters, and leaves out the oldest", () => {
  const all = Array.from({ length: 200 }, (_, index) => sent(`op-${index}`, 1000 + index));
  const text = formatWatermark(SCOPE, 0, all);
  expect(text.length).toBeLessThan(256);
  expect(text).toMatch(/^[0-9a-z.]+$/);
  const watermark = parseWatermark(text, SCOPE, VALID);
  expect(watermark?.covers(operation("op-199", 1199))).toBe(true);
  expect(watermark?.covers(operation("op-0", 1000))).toBe(false);
});

test("a watermark for a part of 200 operations stays below 256 characters, and names that part", () => {
  const ids = Array.from({ length: 200 }, (_, index) => `op-${index}`);
  const isInPart = (id: string) => Number(id.slice(3)) % 3 === 0;
  const all = ids.map((id, index) => sent(id, 1000 + index));
  const text = formatWatermark(SCOPE, 500, all, [], formatIds(ids, isInPart));
  expect(text.length).toBeLessThan(256);
  expect(text).toMatch(/^[0-9a-z.]+$/);
  const watermark = parseWatermark(text, SCOPE, VALID);
  expect(parseIds(watermark?.part ?? "", ids)).toEqual(new Set(ids.filter(isInPart)));
  expect(watermark?.covers(operation("op-3", 400), true)).toBe(true);
  expect(watermark?.covers(operation("op-4", 400), false)).toBe(false);
  // What it names was sent, whatever part it belongs to.
  expect(watermark?.covers(operation("op-199", 1199), false)).toBe(true);
});

test("the part of a feed is a time of creation", () => {
  const text = formatWatermark(SCOPE, 500, [], [], formatTime(1_700_000_000_000));
  expect(parseTime(parseWatermark(text, SCOPE, VALID)?.part ?? "")).toBe(1_700_000_000_000);
  for (const none of [
    text.replace(/\.[^.]+$/, ""),
    `${text}.`,
    `${text}.abc`,
    `${text}.abcdef.x`,
  ]) {
    expect(parseWatermark(none, SCOPE, VALID), none).toBeUndefined();
  }
});
