import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { pb, stringValue, toTimestamp } from "../../src/scheduler/protocol/proto.ts";
import { COMPLETED, PENDING } from "../../src/scheduler/protocol/status.ts";
import { InstanceTable } from "../../src/scheduler/storage/instance-table.ts";
import { RawClient } from "./support/raw-client.ts";
import { startTestScheduler } from "./support/scheduler.ts";

interface Asked {
  readonly fromMs: number;
  readonly toMs?: number;
  readonly statuses?: readonly number[];
  readonly pageSize?: number;
}

/** The pages of a listing of `a-`. */
async function listing(client: RawClient, { fromMs, toMs, statuses = [], pageSize = 2 }: Asked) {
  const pages: string[][] = [];
  let token: string | undefined;
  do {
    const query = new pb.InstanceQuery();
    query.setMaxinstancecount(pageSize);
    query.setInstanceidprefix(stringValue("a-"));
    query.setCreatedtimefrom(toTimestamp(fromMs));
    if (toMs !== undefined) query.setCreatedtimeto(toTimestamp(toMs));
    query.setRuntimestatusList(statuses as pb.OrchestrationStatus[]);
    query.setContinuationtoken(stringValue(token));
    const request = new pb.QueryInstancesRequest();
    request.setQuery(query);
    const response = await client.call<pb.QueryInstancesRequest, pb.QueryInstancesResponse>(
      client.stub.queryInstances,
      request,
    );
    pages.push(response.getOrchestrationstateList().map((state) => state.getInstanceid()));
    token = response.getContinuationtoken()?.getValue();
  } while (token);
  return pages;
}

test("recent instances are found in one page among thousands of old ids of the same prefix", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  const old = Array.from({ length: 4500 }, (_, n) => `a-${String(n).padStart(5, "0")}`);
  for (let at = 0; at < old.length; at += 500) {
    await Promise.all(old.slice(at, at + 500).map((id) => client.start(id)));
  }
  await sleep(5);
  const fromMs = Date.now();
  for (const id of ["b-1", "a-z", "a-y", "a-x", "c-1"]) await client.start(id);
  const select = vi.spyOn(InstanceTable.prototype, "select");
  onTestFinished(() => select.mockRestore());
  // A listing by prefix is ordered by id.
  expect(await listing(client, { fromMs })).toEqual([["a-x", "a-y"], ["a-z"]]);
  const looked = select.mock.results.map(({ value }) => (value as unknown[]).length);
  expect(looked).toEqual([3, 1]);
  expect(await listing(client, { fromMs, toMs: fromMs })).toEqual([[]]);
  expect(await listing(client, { fromMs, statuses: [COMPLETED] })).toEqual([[]]);
  expect(await listing(client, { fromMs, statuses: [PENDING, PENDING] })).toHaveLength(2);
  // More recent instances than one call may scan: all are found nevertheless.
  expect((await listing(client, { fromMs: 0, toMs: fromMs, pageSize: 1000 })).flat()).toEqual(old);
});
