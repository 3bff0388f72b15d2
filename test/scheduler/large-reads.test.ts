/** What is large is told in messages that a client with gRPC's usual limit of 4 MB can take in. */
import { expect, test } from "vitest";
import { pb, stringValue } from "../../src/scheduler/proto.ts";
import { RawClient } from "./support/raw-client.ts";
import { startTestScheduler } from "./support/scheduler.ts";

const MIB = 1024 * 1024;

async function startWithInput(client: RawClient, id: string, input: string): Promise<void> {
  const request = new pb.CreateInstanceRequest();
  request.setInstanceid(id);
  request.setName("anything");
  request.setInput(stringValue(input));
  await client.call(client.stub.startInstance, request);
}

/** Every page of a listing: its ids and its size. */
async function listing(client: RawClient, full: boolean, prefix?: string) {
  const pages: { ids: string[]; bytes: number }[] = [];
  let token: string | undefined;
  do {
    const query = new pb.InstanceQuery();
    query.setFetchinputsandoutputs(full);
    query.setInstanceidprefix(stringValue(prefix));
    query.setContinuationtoken(stringValue(token));
    const request = new pb.QueryInstancesRequest();
    request.setQuery(query);
    const response = await client.call<pb.QueryInstancesRequest, pb.QueryInstancesResponse>(
      client.stub.queryInstances,
      request,
    );
    const ids = response.getOrchestrationstateList().map((state) => state.getInstanceid());
    pages.push({ ids, bytes: response.serializeBinary().length });
    token = response.getContinuationtoken()?.getValue();
  } while (token);
  return pages;
}

test.each([undefined, "i"])(
  "a page of large states is cut, and nothing is left out (prefix: %s)",
  async (prefix) => {
    const { address } = await startTestScheduler();
    const client = new RawClient(address);
    const sizes = [900_000, 900_000, 500_000, 500_000, 10, 900_000, MIB, 10];
    for (const [n, size] of sizes.entries())
      await startWithInput(client, `i${n}`, "x".repeat(size));
    const pages = await listing(client, true, prefix);
    expect(pages.map(({ ids }) => ids)).toEqual([
      ["i0"],
      ["i1"],
      ["i2", "i3", "i4"],
      ["i5"],
      ["i6"], // over the limit by its name, and yet told
      ["i7"],
    ]);
    for (const { bytes } of pages) expect(bytes).toBeLessThan(MIB + 1000);
  },
);

test("a payload that was not asked for does not cut a page", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  for (const id of ["a", "b", "c"]) await startWithInput(client, id, "x".repeat(900_000));
  expect((await listing(client, false)).map(({ ids }) => ids)).toEqual([["a", "b", "c"]]);
});
