/** What one call may cost, and what it may store. */
import { DatabaseSync } from "node:sqlite";
import { credentials, status } from "@grpc/grpc-js";
import service from "@microsoft/durabletask-js/dist/proto/orchestrator_service_grpc_pb.js";
import { expect, onTestFinished, test } from "vitest";
import { pb, stringValue } from "../../src/scheduler/protocol/proto.ts";
import { FAILED, RUNNING } from "../../src/scheduler/protocol/status.ts";
import { complete, RawClient, scheduleTask } from "./support/raw-client.ts";
import { startTestScheduler } from "./support/scheduler.ts";

const MIB = 1024 * 1024;

function query(client: RawClient, change: (query: pb.InstanceQuery) => void) {
  const request = new pb.QueryInstancesRequest();
  const asked = new pb.InstanceQuery();
  change(asked);
  request.setQuery(asked);
  return client.call<pb.QueryInstancesRequest, pb.QueryInstancesResponse>(
    client.stub.queryInstances,
    request,
  );
}

function start(client: RawClient, change: (request: pb.CreateInstanceRequest) => void) {
  const request = new pb.CreateInstanceRequest();
  request.setInstanceid("a");
  request.setName("anything");
  change(request);
  return client.call(client.stub.startInstance, request);
}

const invalid = (details: string) => ({
  code: status.INVALID_ARGUMENT,
  details: expect.stringContaining(details),
});

test("a query refuses unknown statuses and counts repeated ones once", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  const distinct = Array.from({ length: 20_000 }, (_, n) => n as pb.OrchestrationStatus);
  await expect(
    query(client, (asked) => asked.setRuntimestatusList(distinct)),
  ).rejects.toMatchObject(invalid("There is no runtime status 8."));
  const repeated = Array.from({ length: 100_000 }, () => 6 as pb.OrchestrationStatus);
  const found = await query(client, (asked) => asked.setRuntimestatusList(repeated));
  expect(found.getOrchestrationstateList()).toHaveLength(1);
});

test.each<[string, (request: pb.CreateInstanceRequest) => void, string]>([
  ["a name", (r) => r.setName("x".repeat(1001)), "The orchestration's name has 1001 characters"],
  ["a version", (r) => r.setVersion(stringValue("x".repeat(1001))), "The version has 1001"],
  ["tags", (r) => r.getTagsMap().set("k", "x".repeat(33_000)), "The tags have 33001 bytes"],
  ["a message", (r) => r.setName("x".repeat(5 * MIB)), "the limit is 4194304"],
])("a start with %s over the limit is refused", async (_, change, details) => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await expect(start(client, change)).rejects.toMatchObject(invalid(details));
  expect(await client.state("a")).toBeUndefined();
});

test("a reason, a prefix and a page token over the limit are refused", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  const suspend = new pb.SuspendRequest();
  suspend.setInstanceid("a");
  suspend.setReason(stringValue("x".repeat(MIB + 1)));
  await expect(client.call(client.stub.suspendInstance, suspend)).rejects.toMatchObject(
    invalid("The reason has 1048577 bytes"),
  );
  const long = stringValue("x".repeat(300));
  await expect(query(client, (asked) => asked.setInstanceidprefix(long))).rejects.toMatchObject(
    invalid("The prefix of the ids has 300 characters"),
  );
  await expect(query(client, (asked) => asked.setContinuationtoken(long))).rejects.toMatchObject(
    invalid("The page token has 300 characters"),
  );
});

test("an activity name over the limit fails the instance, with the reason", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  const work = client.work();
  await work.completeTurn(await work.next(), [scheduleTask(1, "x".repeat(1001))]);
  const state = await client.state("a");
  expect(state?.getOrchestrationstatus()).toBe(FAILED);
  expect(state?.getFailuredetails()?.getErrormessage()).toBe(
    "The name of the activity has 1001 characters; the limit is 1000.",
  );
});

test("failure details over 1 MB are cut", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  const work = client.work();
  const failure = new pb.TaskFailureDetails();
  failure.setErrortype("Error");
  failure.setErrormessage(`first words ${"x".repeat(2 * MIB)}`);
  const end = complete(1, undefined, FAILED);
  end.getCompleteorchestration()?.setFailuredetails(failure);
  await work.completeTurn(await work.next(), [end]);
  const stored = (await client.state("a"))?.getFailuredetails();
  expect(stored?.getErrormessage()).toMatch(/^first words x+ \(The failure details had \d+ bytes/);
  expect(stored?.serializeBinary().length).toBeLessThan(2000);
});

test("a worker may send results in one message of many megabytes", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  const work = client.work();
  const wide = Array.from({ length: 10 }, (_, n) => {
    const action = scheduleTask(n + 1, "step");
    action.getScheduletask()?.setInput(stringValue("x".repeat(MIB - 100)));
    return action;
  });
  await work.completeTurn(await work.next(), wide);
  expect((await client.state("a"))?.getOrchestrationstatus()).toBe(RUNNING);
});

test("a compressed message is not unpacked beyond 4 MiB", async () => {
  const { address } = await startTestScheduler();
  const stub = new service.TaskHubSidecarServiceClient(address, credentials.createInsecure(), {
    "grpc.default_compression_algorithm": 2, // gzip
  });
  onTestFinished(() => stub.close());
  const complete = (bytes: number) => {
    const response = new pb.OrchestratorResponse();
    response.setCompletiontoken("t".repeat(bytes));
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    stub.completeOrchestratorTask(response, (error) => resolve(error?.code));
    return promise;
  };
  expect(await complete(20 * MIB)).toBe(status.RESOURCE_EXHAUSTED);
  expect(await complete(1 * MIB)).toBe(status.FAILED_PRECONDITION); // unpacked: it names no lease
});

test("a task hub is created only when something is stored in it", async () => {
  const { address, database, close } = await startTestScheduler();
  const curious = new RawClient(address);
  for (let n = 0; n < 1100; n += 1) {
    curious.metadata.set("taskhub", `made-up-${n}`);
    expect(await curious.state("a")).toBeUndefined();
  }
  const early = new RawClient(address, "ours");
  const work = early.work(); // a worker is there before anything is stored
  await expect(start(early, (r) => r.setName(""))).rejects.toMatchObject({ code: 3 });
  await expect(early.raiseEvent("a", "event")).rejects.toMatchObject({ code: status.NOT_FOUND });
  await new RawClient(address, "ours").start("a");
  await work.completeTurn(await work.next(), [complete(1, "1")]);
  await new RawClient(address, "entities").signal("@counter@1", "add");
  await close();
  const db = new DatabaseSync(database, { readOnly: true });
  onTestFinished(() => db.close());
  const names = db.prepare("SELECT name FROM hubs ORDER BY name").all();
  expect(names.map(({ name }) => name)).toEqual(["entities", "ours"]);
});

test("the number of a worker's filters is limited", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  const filters = new pb.WorkItemFilters();
  for (let n = 0; n <= 1000; n += 1) {
    const filter = new pb.OrchestrationFilter();
    filter.setName(`o${n}`);
    filters.addOrchestrations(filter);
  }
  const request = new pb.GetWorkItemsRequest();
  request.setWorkitemfilters(filters);
  const stream = client.stub.getWorkItems(request, client.metadata);
  const refused = Promise.withResolvers<unknown>();
  stream.on("error", refused.resolve);
  stream.resume();
  expect(await refused.promise).toMatchObject(invalid("at most 1000 names of a kind, got 1001"));
});
