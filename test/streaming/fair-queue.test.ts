import { expect, test } from "vitest";
import { unrestricted } from "../../src/access.ts";
import { FairQueue } from "../../src/streaming/reading/fair-queue.ts";

const drain = <T>(queue: FairQueue<T>) => {
  const items: T[] = [];
  for (let item = queue.shift(); item !== undefined; item = queue.shift()) items.push(item);
  return items;
};

test("connections of one address take turns, each in its own order (FAIR-1)", () => {
  const queue = new FairQueue<string>();
  const [busy, other] = [{ access: unrestricted("a") }, { access: unrestricted("a") }];
  for (const item of ["b1", "b2", "b3", "b4"]) queue.add(item, busy);
  for (const item of ["o1", "o2"]) queue.add(item, other);
  expect(drain(queue)).toEqual(["b1", "o1", "b2", "o2", "b3", "b4"]);
});

test("addresses take turns, however many connections each has (FAIR-1)", () => {
  const queue = new FairQueue<string>();
  for (let index = 0; index < 4; index += 1) queue.add(`a${index}`, { access: unrestricted("a") });
  queue.add("b0", { access: unrestricted("b") });
  expect(drain(queue)).toEqual(["a0", "b0", "a1", "a2", "a3"]);
});

test("an item is queued once per requester (FAIR-2)", () => {
  const queue = new FairQueue<string>();
  const requester = { access: unrestricted("a") };
  queue.add("x", requester);
  queue.add("x", requester);
  expect(drain(queue)).toEqual(["x"]);
});
