import { expect, test } from "vitest";
import { pb, stringValue } from "../../src/scheduler/protocol/proto.ts";
import { COMPLETED, FAILED, RUNNING } from "../../src/scheduler/protocol/status.ts";
import {
  complete,
  createChild,
  createTimer,
  kinds,
  RawClient,
  scheduleTask,
  type WorkStream,
} from "./support/raw-client.ts";
import { startTestScheduler } from "./support/scheduler.ts";

function events(item: pb.WorkItem) {
  const request = item.getOrchestratorrequest();
  return { past: request?.getPasteventsList() ?? [], fresh: request?.getNeweventsList() ?? [] };
}

async function requestRewind(client: RawClient, id: string): Promise<void> {
  const request = new pb.RewindInstanceRequest();
  request.setInstanceid(id);
  request.setReason(stringValue("try again"));
  await client.call(client.stub.rewindInstance, request);
}

/** Answers the turn that asks for a history without failures, as the SDKs do. */
async function cleanHistory(work: WorkStream): Promise<void> {
  const asked = await work.next("rewind turn");
  const { past, fresh } = events(asked);
  expect(kinds(fresh)).toEqual(["ORCHESTRATORSTARTED", "EXECUTIONREWOUND"]);
  expect(kinds(past).at(-1)).toBe("EXECUTIONCOMPLETED");
  const cleaned = new pb.RewindOrchestrationAction();
  cleaned.setNewhistoryList([...past.filter((e) => !e.hasExecutioncompleted()), ...fresh]);
  const action = new pb.OrchestratorAction();
  action.setId(-1);
  action.setRewindorchestration(cleaned);
  await work.completeTurn(asked, [action]);
}

/** A parent that has failed while its child was still active. @returns the child's open turn */
async function failWithActiveChild(client: RawClient, work: WorkStream): Promise<pb.WorkItem> {
  await client.start("parent");
  await work.completeTurn(await work.next(), [createChild(1, "kid", '"in"')]);
  const child = await work.next("turn of the child");
  await client.raiseEvent("parent", "fail now");
  await work.completeTurn(await work.next(), [complete(2, undefined, FAILED)]);
  return child;
}

test("a rewind schedules again what was pending when the instance failed", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  const work = client.work();
  const far = Date.now() + 3_600_000;
  await work.completeTurn(await work.next(), [scheduleTask(1, "pending"), createTimer(2, far)]);
  const pending = await work.next("pending activity");
  await client.raiseEvent("a", "fail now");
  await work.completeTurn(await work.next(), [complete(3, undefined, FAILED)]);
  await work.completeActivity(pending, '"dropped, for the instance has ended"');

  await requestRewind(client, "a");
  await cleanHistory(work);

  const items = [await work.next("turn after the rewind"), await work.next("activity again")];
  const again = items.find((item) => item.hasActivityrequest());
  expect(again?.getActivityrequest()?.getName()).toBe("pending");
  expect(again?.getActivityrequest()?.getTaskid()).toBe(1);
  expect((await client.state("a"))?.getOrchestrationstatus()).toBe(RUNNING);
});

test("a rewound parent gets the result of a child that completed before the rewind (TURN-4)", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  const work = client.work();
  const child = await failWithActiveChild(client, work);
  await work.completeTurn(child, [complete(1, '"out"')]);
  await requestRewind(client, "parent");
  await cleanHistory(work);
  const resumed = await work.next("turn after the rewind");
  expect(kinds(events(resumed).fresh)).toEqual(["ORCHESTRATORSTARTED", "EXECUTIONREWOUND"]);
  await work.completeTurn(resumed, []);
  const last = await work.next("turn with the child's result");
  expect(kinds(events(last).fresh)).toEqual([
    "ORCHESTRATORSTARTED",
    "SUBORCHESTRATIONINSTANCECOMPLETED",
  ]);
  await work.completeTurn(last, [complete(3, '"done"')]);
  expect((await client.state("parent"))?.getOrchestrationstatus()).toBe(COMPLETED);
});

test("a rewound parent creates a purged child again, with its input", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  const work = client.work();
  const child = await failWithActiveChild(client, work);
  await work.completeTurn(child, [complete(1, '"out"')]);
  const purge = new pb.PurgeInstancesRequest();
  purge.setInstanceid("kid");
  await client.call(client.stub.purgeInstances, purge);
  expect(await client.state("kid")).toBeUndefined();
  await requestRewind(client, "parent");
  await cleanHistory(work);
  const items = [await work.next("turn after the rewind"), await work.next("turn of the child")];
  const byId = (id: string) =>
    items.find((item) => item.getOrchestratorrequest()?.getInstanceid() === id) as pb.WorkItem;
  const started = events(byId("kid")).fresh[1]?.getExecutionstarted();
  expect(started?.getName()).toBe("child");
  expect(started?.getInput()?.getValue()).toBe('"in"');
  await work.completeTurn(byId("parent"), []);
  await work.completeTurn(byId("kid"), [complete(1, '"second"')]);
  const last = events(await work.next("turn with the child's result"));
  const result = last.fresh[1]?.getSuborchestrationinstancecompleted();
  expect(result?.getTaskscheduledid()).toBe(1);
  expect(result?.getResult()?.getValue()).toBe('"second"');
});
