/** Large reads are split into messages within gRPC's default limit of 4 MB. */
import { once } from "node:events";
import { connect } from "node:http2";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test, vi } from "vitest";
import { pb, stringValue } from "../../src/scheduler/protocol/proto.ts";
import { Store } from "../../src/scheduler/storage/store.ts";
import { within } from "../helpers/deadline.ts";
import { complete, kinds, RawClient } from "./support/raw-client.ts";
import { startTestScheduler } from "./support/scheduler.ts";

const MIB = 1024 * 1024;

async function startWithInput(client: RawClient, id: string, input: string): Promise<void> {
  const request = new pb.CreateInstanceRequest();
  request.setInstanceid(id);
  request.setName("anything");
  request.setInput(stringValue(input));
  await client.call(client.stub.startInstance, request);
}

/** All pages of a listing: ids and sizes. */
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
  "a page of large states is cut, and no state is missing (prefix: %s)",
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
      ["i6"], // over the limit by itself, and sent nevertheless
      ["i7"],
    ]);
    for (const { bytes } of pages) expect(bytes).toBeLessThan(MIB + 1000);
  },
);

test("payloads that were not requested do not cut a page", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  for (const id of ["a", "b", "c"]) await startWithInput(client, id, "x".repeat(900_000));
  expect((await listing(client, false)).map(({ ids }) => ids)).toEqual([["a", "b", "c"]]);
});

async function raise(client: RawClient, id: string, input: string): Promise<void> {
  const request = new pb.RaiseEventRequest();
  request.setInstanceid(id);
  request.setName("large");
  request.setInput(stringValue(input));
  await client.call(client.stub.raiseEvent, request);
}

/** Runs an instance with `turns[n]` events of 900 KB in turn n, and completes it in the last one. */
async function runLarge(address: string, id: string, turns: readonly number[]): Promise<void> {
  const client = new RawClient(address, "default", -1);
  await client.start(id);
  const work = client.work();
  let item = await work.next("first turn");
  for (const count of turns) {
    for (let n = 0; n < count; n += 1) await raise(client, id, "x".repeat(900_000));
    await work.completeTurn(item);
    item = await work.next("next turn");
  }
  await work.completeTurn(item, [complete(1, "1")]);
}

/** A client that reads nothing until `resume` is called. */
function openHistory(address: string, id: string) {
  const request = new pb.StreamInstanceHistoryRequest();
  request.setInstanceid(id);
  const message = request.serializeBinary();
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  const session = connect(`http://${address}`);
  onTestFinished(() => session.destroy());
  const call = session.request({
    ":method": "POST",
    ":path": "/TaskHubSidecarService/StreamInstanceHistory",
    "content-type": "application/grpc",
    te: "trailers",
    taskhub: "default",
  });
  call.end(Buffer.concat([head, message]));
  return { session, call };
}

test("a history of large events is sent in chunks of 1 MiB, complete and in order", async () => {
  const { address } = await startTestScheduler();
  await runLarge(address, "a", [6, 1]); // one turn over the usual limit, one below it
  const events = await new RawClient(address).history("a");
  const types = kinds(events).filter((kind) => kind !== "ORCHESTRATORSTARTED");
  expect(types).toEqual([
    "EXECUTIONSTARTED",
    ...Array(7).fill("EVENTRAISED"),
    "EXECUTIONCOMPLETED",
  ]);
  expect(
    events.filter((event) => event.getEventraised()?.getInput()?.getValue().length === 900_000),
  ).toHaveLength(7);
  expect(await new RawClient(address).history("nobody")).toEqual([]);
});

test("a history is read as fast as the client reads it, and no further once the client has left", async () => {
  const { address } = await startTestScheduler();
  await runLarge(address, "a", [1, 1, 1, 1, 1, 1]);
  const read = vi.spyOn(Store.prototype, "historyPage");
  onTestFinished(() => read.mockRestore());
  const { call } = openHistory(address, "a");
  await within("answer", once(call, "response"));
  await sleep(300);
  const readAhead = read.mock.calls.length;
  expect(readAhead).toBeLessThanOrEqual(2);
  let bytes = 0;
  call.on("data", (data: Buffer) => {
    bytes += data.length;
  });
  const [trailers] = await within("end", once(call, "trailers"));
  expect(trailers["grpc-status"]).toBe("0");
  expect(bytes).toBeGreaterThan(5_400_000);
  read.mockClear();
  const leaving = openHistory(address, "a");
  await within("answer", once(leaving.call, "response"));
  leaving.session.destroy();
  await sleep(300);
  expect(read.mock.calls.length).toBeLessThanOrEqual(2);
});

test("a history that is purged between two reads fails the call", async () => {
  const { address } = await startTestScheduler();
  await runLarge(address, "a", [1, 1, 1, 1, 1, 1]);
  const { call } = openHistory(address, "a");
  await within("answer", once(call, "response"));
  const client = new RawClient(address);
  const purge = new pb.PurgeInstancesRequest();
  purge.setInstanceid("a");
  await client.call(client.stub.purgeInstances, purge);
  call.resume();
  const [trailers] = await within("end", once(call, "trailers"));
  expect(trailers["grpc-status"]).toBe("10");
});
