import { expect, onTestFinished, test } from "vitest";
import { within } from "../helpers/deadline.ts";
import { RawClient } from "../scheduler/support/raw-client.ts";
import { startTestScheduler } from "../scheduler/support/scheduler.ts";
import { Random } from "./random.ts";
import { Reorder } from "./system/reorder.ts";

test("calls overtake each other on their way through the proxy, and all are answered", async () => {
  const { address } = await startTestScheduler();
  const random = new Random(1);
  const proxy = await Reorder.start(Number(address.split(":")[1]), () => random.integer(0, 200));
  onTestFinished(() => proxy.close());
  const client = new RawClient(`127.0.0.1:${proxy.port}`);
  const ids = Array.from({ length: 20 }, (_, index) => `operation ${index}`);
  await within("the starts", Promise.all(ids.map((id) => client.start(id))));
  const answered: string[] = [];
  const read = async (id: string) => {
    expect((await client.state(id))?.getInstanceid()).toBe(id);
    answered.push(id);
  };
  await within("the answers", Promise.all(ids.map(read)));
  expect(answered).not.toEqual(ids);
  expect(answered.toSorted()).toEqual(ids.toSorted());
});
