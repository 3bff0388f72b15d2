import { expect, test } from "vitest";
import { ServiceOrder } from "../../src/streaming/delivery/service-order.ts";
import { type Operation, toOperation } from "../../src/streaming/operation/operation.ts";
import { instance } from "../helpers/scheduler/instance.ts";

/** Subscriptions of one connection. */
function connection(count: number) {
  const order = new ServiceOrder<Served>();
  const sent: string[] = [];
  class Served {
    pending: Operation | undefined;
    readonly id: string;
    constructor(id: string) {
      this.id = id;
    }
    change(status: "RUNNING" | "COMPLETED" = "RUNNING"): void {
      this.pending = toOperation(instance({ id: this.id, status }));
    }
    flush(): void {
      this.pending = undefined;
      order.add(this);
      sent.push(this.id);
    }
  }
  const all = Array.from({ length: count }, (_, index) => new Served(`op-${index}`));
  for (const each of all) order.add(each);
  /** @returns what was sent */
  const flush = (capacity: number): string[] => {
    sent.length = 0;
    order.flush(() => sent.length < capacity);
    return [...sent];
  };
  return { order, all, flush };
}

test("all are served before one is served again (ORDER-1)", () => {
  const { all, flush } = connection(5);
  const rounds: string[][] = [];
  for (let round = 0; round < 5; round += 1) {
    for (const each of all) each.change();
    rounds.push(flush(2));
  }
  expect(rounds.flat().slice(0, 5).sort()).toEqual(["op-0", "op-1", "op-2", "op-3", "op-4"]);
  expect(rounds.flat().slice(5).sort()).toEqual(["op-0", "op-1", "op-2", "op-3", "op-4"]);
});

test("terminal states come first (ORDER-1)", () => {
  const { all, flush } = connection(5);
  for (const each of all) each.change();
  all[4]?.change("COMPLETED");
  expect(flush(2)).toEqual(["op-4", "op-0"]);
});

test("none is served before others that wait longer (ORDER-2)", () => {
  const { order, all, flush } = connection(3);
  expect(order.isFree(true)).toBe(true);
  expect(order.isFree(false)).toBe(false);
  for (const each of all) each.change();
  flush(2);
  expect(order.isFree(true)).toBe(false);
  flush(2);
  expect(order.isFree(true)).toBe(true);
});
