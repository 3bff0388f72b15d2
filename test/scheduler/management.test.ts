import { expect, test } from "vitest";
import { pb, stringValue, toTimestamp } from "../../src/scheduler/protocol/proto.ts";
import {
  COMPLETED,
  FAILED,
  PENDING,
  RUNNING,
  TERMINATED,
} from "../../src/scheduler/protocol/status.ts";
import { eventually } from "../helpers/deadline.ts";
import {
  complete,
  createTimer,
  kinds,
  RawClient,
  scheduleTask,
  type WorkStream,
} from "./support/raw-client.ts";
import { startTestScheduler } from "./support/scheduler.ts";

/** @param replaceable the policy's statuses; empty: a policy that is present and lists none */
function startWithPolicy(client: RawClient, id: string, replaceable: number[]) {
  const policy = new pb.OrchestrationIdReusePolicy();
  policy.setReplaceablestatusList(replaceable as pb.OrchestrationStatus[]);
  const request = new pb.CreateInstanceRequest();
  request.setInstanceid(id);
  request.setName("anything");
  request.setOrchestrationidreusepolicy(policy);
  return client.call(client.stub.startInstance, request);
}

/** Runs one instance that ends in its first turn. */
async function runToEnd(client: RawClient, work: WorkStream, id: string, status = COMPLETED) {
  await client.start(id);
  await work.completeTurn(await work.next(`turn of ${id}`), [complete(1, "1", status)]);
}

test("a reuse policy decides which statuses are replaced, and the new instance has a later date (INSTANCE-4)", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await runToEnd(client, client.work(), "a", FAILED);
  const first = (await client.state("a"))?.getCreatedtimestamp()?.toDate();
  await expect(startWithPolicy(client, "a", [COMPLETED])).rejects.toMatchObject({
    code: 6,
    details: expect.stringContaining("already exists and is FAILED"),
  });
  await startWithPolicy(client, "a", [COMPLETED, FAILED]);
  const state = await client.state("a");
  expect(state?.getOrchestrationstatus()).toBe(PENDING);
  expect(state?.getCreatedtimestamp()?.toDate().getTime()).toBeGreaterThan(first?.getTime() ?? 0);
  await expect(startWithPolicy(client, "b", [RUNNING])).rejects.toMatchObject({
    code: 3,
    details:
      "Invalid reusable statuses: cannot exclude 'Terminated' while also allowing reuse of running instances",
  });
});

test.each([COMPLETED, FAILED, TERMINATED])(
  "a start without a reuse policy replaces a terminal instance (status %i)",
  async (status) => {
    const { address } = await startTestScheduler();
    const client = new RawClient(address);
    const work = client.work();
    await runToEnd(client, work, "a", status);
    await expect(startWithPolicy(client, "a", [])).rejects.toMatchObject({ code: 6 });
    expect((await client.state("a"))?.getOrchestrationstatus()).toBe(status);
    await client.start("a");
    expect((await client.state("a"))?.getOrchestrationstatus()).toBe(PENDING);
    await work.completeTurn(await work.next("turn of the replacement"), [complete(1, '"again"')]);
    expect((await client.state("a"))?.getOutput()?.getValue()).toBe('"again"');
  },
);

test("a start without a reuse policy is refused while an instance of the id is active", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  await expect(client.start("a")).rejects.toMatchObject({
    code: 6,
    details: expect.stringContaining("already exists and is PENDING"),
  });
  const work = client.work();
  await work.completeTurn(await work.next(), []);
  await expect(client.start("a")).rejects.toMatchObject({ code: 6 });
});

test("a result that arrives after its instance was replaced is discarded (INSTANCE-2)", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  const work = client.work();
  await work.completeTurn(await work.next(), [scheduleTask(1, "slow")]);
  const activity = await work.next("activity");
  await startWithPolicy(client, "a", [RUNNING, TERMINATED]);
  const fresh = await work.next("turn of the replacement");
  await work.completeActivity(activity, '"late"').catch(() => undefined);
  await work.completeTurn(fresh, []);
  await client.raiseEvent("a", "look");
  const next = await work.next("turn after the late result");
  expect(kinds(next.getOrchestratorrequest()?.getNeweventsList() ?? [])).toEqual([
    "ORCHESTRATORSTARTED",
    "EVENTRAISED",
  ]);
});

test("a forced termination needs no worker, and the result of a turn in progress is refused", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  const work = client.work();
  const turn = await work.next();
  const batch = new pb.InstanceBatch();
  batch.setInstanceidsList(["a", "nobody"]);
  const request = new pb.SkipGracefulOrchestrationTerminationsRequest();
  request.setInstancebatch(batch);
  request.setReason(stringValue("enough"));
  const response = await client.call<
    pb.SkipGracefulOrchestrationTerminationsRequest,
    pb.SkipGracefulOrchestrationTerminationsResponse
  >(client.stub.skipGracefulOrchestrationTerminations, request);
  expect(response.getUnterminatedinstanceidsList()).toEqual(["nobody"]);
  expect((await client.state("a"))?.getOrchestrationstatus()).toBe(TERMINATED);
  await expect(work.completeTurn(turn, [complete(1, "1")])).rejects.toMatchObject({ code: 9 });
  expect((await client.state("a"))?.getOrchestrationstatus()).toBe(TERMINATED);
});

test("an abandoned turn is sent to a worker again", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  const work = client.work();
  const request = new pb.AbandonOrchestrationTaskRequest();
  request.setCompletiontoken((await work.next()).getCompletiontoken());
  await client.call(client.stub.abandonTaskOrchestratorWorkItem, request);
  expect((await work.next("the turn again")).getOrchestratorrequest()?.getInstanceid()).toBe("a");
  await expect(
    client.call(client.stub.abandonTaskOrchestratorWorkItem, request),
  ).rejects.toMatchObject({ code: 9 });
});

function events(item: pb.WorkItem) {
  const request = item.getOrchestratorrequest();
  return { past: request?.getPasteventsList() ?? [], fresh: request?.getNeweventsList() ?? [] };
}

test.each([1024 * 1024 + 1, 6 * 1024 * 1024])(
  "an activity whose result has %i bytes fails, with the reason",
  async (bytes) => {
    const { address } = await startTestScheduler();
    const client = new RawClient(address);
    await client.start("a");
    const work = client.work();
    await work.completeTurn(await work.next(), [scheduleTask(1, "big")]);
    await work.completeActivity(await work.next("activity"), "x".repeat(bytes));
    const failed = events(await work.next("turn"))
      .fresh[1]?.getTaskfailed()
      ?.getFailuredetails();
    expect(failed?.getErrormessage()).toBe(
      `The result of activity 'big' has ${bytes} bytes; the limit is 1048576 (1 MB).`,
    );
  },
);

test("a custom status over 1 MB fails the instance, with the reason", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  const work = client.work();
  await work.completeTurn(await work.next(), [], "x".repeat(1024 * 1024 + 1));
  const state = await client.state("a");
  expect(state?.getOrchestrationstatus()).toBe(FAILED);
  expect(state?.getFailuredetails()?.getErrormessage()).toContain(
    "The custom status has 1048577 bytes",
  );
});

test("instances that ended before the retention period are purged, others are kept", async () => {
  const first = await startTestScheduler();
  const before = new RawClient(first.address);
  const work = before.work();
  for (const id of ["a", "b"]) await runToEnd(before, work, id);
  await before.start("live");
  await first.close();
  const kept = await startTestScheduler({ database: first.database });
  expect(await new RawClient(kept.address).state("a")).toBeDefined();
  await kept.close();
  const { address } = await startTestScheduler({ database: first.database, retentionDays: 0 });
  const client = new RawClient(address);
  await eventually("forgotten instance", async () => (await client.state("b")) === undefined);
  expect(await client.state("a")).toBeUndefined();
  expect(await client.state("live")).toBeDefined();
});

test("paging neither repeats nor skips instances while others are created and purged", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  const work = client.work();
  for (let n = 0; n < 6; n += 1) await runToEnd(client, work, `i${n}`);
  const page = async (token: string | undefined) => {
    const query = new pb.InstanceQuery();
    query.setMaxinstancecount(2);
    query.setContinuationtoken(stringValue(token));
    const request = new pb.QueryInstancesRequest();
    request.setQuery(query);
    const response = await client.call<pb.QueryInstancesRequest, pb.QueryInstancesResponse>(
      client.stub.queryInstances,
      request,
    );
    const ids = response.getOrchestrationstateList().map((state) => state.getInstanceid());
    return { ids, token: response.getContinuationtoken()?.getValue() };
  };
  const one = await page(undefined);
  const purge = new pb.PurgeInstancesRequest();
  purge.setInstanceid("i0"); // an offset would now skip i2
  await client.call(client.stub.purgeInstances, purge);
  const two = await page(one.token);
  const three = await page(two.token);
  expect([one.ids, two.ids, three.ids]).toEqual([
    ["i0", "i1"],
    ["i2", "i3"],
    ["i4", "i5"],
  ]);
  expect(three.token).toBeUndefined();
  await expect(page("no token of ours")).rejects.toMatchObject({ code: 3 });
});

test("a listing by prefix is paged and filtered by status", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  const work = client.work();
  for (const id of ["b-1", "a-2", "a-1", "a-3", "c-1"]) await runToEnd(client, work, id);
  await client.start("a-0");
  const page = async (token: string | undefined) => {
    const query = new pb.InstanceQuery();
    query.setMaxinstancecount(2);
    query.setInstanceidprefix(stringValue("a-"));
    query.setRuntimestatusList([COMPLETED]);
    query.setContinuationtoken(stringValue(token));
    const request = new pb.QueryInstancesRequest();
    request.setQuery(query);
    const response = await client.call<pb.QueryInstancesRequest, pb.QueryInstancesResponse>(
      client.stub.queryInstances,
      request,
    );
    const ids = response.getOrchestrationstateList().map((state) => state.getInstanceid());
    return { ids, token: response.getContinuationtoken()?.getValue() };
  };
  const one = await page(undefined);
  const two = await page(one.token);
  expect([one.ids, two.ids]).toEqual([["a-1", "a-2"], ["a-3"]]);
  expect(two.token).toBeUndefined();
});

test("a timer beyond the range of setTimeout does not fire early (TIMER-2)", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("far");
  await client.start("near");
  const work = client.work();
  const inSixtyDays = Date.now() + 60 * 86_400_000;
  await work.completeTurn(await work.next(), [createTimer(1, inSixtyDays)]);
  await work.completeTurn(await work.next(), [createTimer(1, Date.now() + 20)]);
  const fired = await work.next("near timer");
  expect(fired.getOrchestratorrequest()?.getInstanceid()).toBe("near");
  expect(work.waiting).toBe(0);
});

test("a start in the year 9999 waits", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  const request = new pb.CreateInstanceRequest();
  request.setInstanceid("a");
  request.setName("anything");
  request.setScheduledstarttimestamp(toTimestamp(Date.UTC(9999, 11, 31)));
  await client.call(client.stub.startInstance, request);
  await client.start("b");
  const item = await client.work().next();
  expect(item.getOrchestratorrequest()?.getInstanceid()).toBe("b");
});
