import { expect, test } from "vitest";
import { OperationFilter } from "../../src/streaming/operation/operation-filter.ts";
import { instance } from "../helpers/scheduler/instance.ts";

test("a filter matches by status as documents show it, by name and by tags", () => {
  const shipped = instance({ name: "ship", tags: { team: "blue", "a:b": "c:d" } });
  const continuing = { ...shipped, status: "PENDING" } as const;
  for (const [filter, matches] of [
    [{}, true],
    [{ statuses: ["RUNNING"] }, true],
    [{ statuses: ["PENDING", "Completed"] }, false],
    [{ names: ["bill", "ship"] }, true],
    [{ names: ["Ship"] }, false],
    [{ tags: ["team:blue", "a:b:c:d"] }, true],
    [{ tags: ["team:blue", "team:red"] }, false],
    [{ tags: ["team:"] }, false],
    [{ statuses: ["RUNNING"], names: ["ship"], tags: ["team:blue"] }, true],
    [{ statuses: ["RUNNING"], names: ["bill"], tags: ["team:blue"] }, false],
  ] as const) {
    const made = new OperationFilter(filter);
    expect(made.matches(shipped), JSON.stringify(filter)).toBe(matches);
    expect(made.matches(continuing), JSON.stringify(filter)).toBe(matches);
  }
});

test("the key is the same for the same filter only, in whatever order it was given", () => {
  const one = new OperationFilter({ statuses: ["RUNNING", "PENDING"], names: ["a", "b", "a"] });
  expect(new OperationFilter({ names: ["b", "a"], statuses: ["PENDING", "RUNNING"] }).key).toBe(
    one.key,
  );
  const keys = [
    {},
    { names: ["a:b"] },
    { tags: ["a:b"] },
    { names: ["a"], tags: ["b:"] },
    { names: ["a", "b"] },
    { names: ['a","b'] },
  ].map((filter) => new OperationFilter(filter).key);
  expect(new Set(keys).size).toBe(keys.length);
  expect(keys[0]).toBe("");
});
