import { expect, test } from "vitest";
import { medians } from "../../bench/support/turns.ts";

test("figures of turns are medians, with ratios of the same turn; a turn without a result counts as 0", () => {
  const bare = [{ rate: 10 }, { rate: 20 }, { rate: 40 }];
  const turns = [{ rate: 30, p99: 5 }, undefined, { rate: 20, p99: 7 }];
  expect(medians("rate", turns, bare)).toEqual({ rate: 20, spread: "0–30", of_bare: 0.5, p99: 7 });
  expect(medians("rate", turns, [])).toEqual({ rate: 20, spread: "0–30", p99: 7 });
});
