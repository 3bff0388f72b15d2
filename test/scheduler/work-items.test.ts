import { expect, test } from "vitest";
import { pb, stringValue } from "../../src/scheduler/protocol/proto.ts";
import { COMPLETED, PENDING, RUNNING } from "../../src/scheduler/protocol/status.ts";
import { complete, createTimer, kinds, RawClient, scheduleTask } from "./support/raw-client.ts";
import { startTestScheduler } from "./support/scheduler.ts";

test("the first turn has OrchestratorStarted, ExecutionStarted and a 32-digit execution id", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a", "orchestrate");
  const request = (await client.work().next()).getOrchestratorrequest();
  const fresh = request?.getNeweventsList() ?? [];
  expect(kinds(fresh)).toEqual(["ORCHESTRATORSTARTED", "EXECUTIONSTARTED"]);
  expect(request?.getPasteventsList()).toEqual([]);
  const executionId = request?.getExecutionid()?.getValue();
  expect(executionId).toMatch(/^[0-9a-f]{32}$/);
  expect(fresh[1]?.getEventid()).toBe(0);
  const instance = fresh[1]?.getExecutionstarted()?.getOrchestrationinstance();
  expect(instance?.getExecutionid()?.getValue()).toBe(executionId);
});

test("the history of a turn is the events received, then the actions (TURN-2)", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  const work = client.work();
  await work.completeTurn(await work.next(), [scheduleTask(1, "step")]);
  await work.completeActivity(await work.next("activity"), '"done"');
  await work.completeTurn(await work.next(), [createTimer(2, Date.now())]);
  const last = await work.next("turn after the timer");
  expect(kinds(last.getOrchestratorrequest()?.getPasteventsList() ?? [])).toEqual([
    "ORCHESTRATORSTARTED",
    "EXECUTIONSTARTED",
    "TASKSCHEDULED",
    "ORCHESTRATORSTARTED",
    "TASKCOMPLETED",
    "TIMERCREATED",
  ]);
  await work.completeTurn(last, [complete(3, '"out"')]);
  expect(kinds(await client.history("a")).slice(6)).toEqual([
    "ORCHESTRATORSTARTED",
    "TIMERFIRED",
    "EXECUTIONCOMPLETED",
  ]);
  expect((await client.state("a"))?.getOutput()?.getValue()).toBe('"out"');
});

test("messages that arrive during a turn make the next one, not a concurrent one (QUEUE-3)", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  const [left, right] = [client.work(), client.work()];
  const first = await Promise.race([left.next(), right.next()]);
  await client.raiseEvent("a", "one");
  await client.raiseEvent("a", "two");
  await client.start("other", "other");
  const other = await Promise.race([left.next(), right.next()]);
  expect(other.getOrchestratorrequest()?.getInstanceid()).toBe("other"); // and not a second turn of "a"
  await left.completeTurn(first);
  const second = await Promise.race([left.next(), right.next()]);
  expect(kinds(second.getOrchestratorrequest()?.getNeweventsList() ?? [])).toEqual([
    "ORCHESTRATORSTARTED",
    "EVENTRAISED",
    "EVENTRAISED",
  ]);
});

test("a stream that ends returns its items, and their tokens are invalid (QUEUE-2, QUEUE-4)", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  const gone = client.work();
  const lost = await gone.next();
  gone.cancel();
  const work = client.work();
  const again = await work.next("redelivered turn");
  expect(again.getOrchestratorrequest()?.getInstanceid()).toBe("a");
  await expect(work.completeTurn(lost, [complete(1, '"stale"')])).rejects.toMatchObject({
    code: 9, // FAILED_PRECONDITION
    details: expect.stringContaining("completion token"),
  });
  expect((await client.state("a"))?.getOrchestrationstatus()).toBe(PENDING);
  await work.completeTurn(again, [complete(1, '"fresh"')]);
  expect((await client.state("a"))?.getOutput()?.getValue()).toBe('"fresh"');
  await expect(work.completeTurn(again, [complete(1, '"twice"')])).rejects.toMatchObject({
    code: 9,
  });
});

test("a draining worker may report after its stream has ended, until the item is leased again (QUEUE-2)", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  const draining = client.work();
  const turn = await draining.next();
  draining.cancel();
  await client.raiseEvent("a", "arrives in between");
  await draining.completeTurn(turn, [scheduleTask(1, "step")]);

  const next = client.work();
  const items = [await next.next(), await next.next("second item")];
  const activity = items.find((item) => item.hasActivityrequest()) as pb.WorkItem;
  const second = items.find((item) => item.hasOrchestratorrequest()) as pb.WorkItem;
  expect(kinds(second.getOrchestratorrequest()?.getNeweventsList() ?? [])).toEqual([
    "ORCHESTRATORSTARTED",
    "EVENTRAISED",
  ]);
  next.cancel();
  await next.completeTurn(second, []);
  await next.completeActivity(activity, '"done"');
  const last = client.work();
  const third = await last.next("turn with the result");
  expect(kinds(third.getOrchestratorrequest()?.getNeweventsList() ?? [])).toEqual([
    "ORCHESTRATORSTARTED",
    "TASKCOMPLETED",
  ]);
  await last.completeTurn(third, [complete(2, "1")]);
  await client.start("b");
  expect((await last.next()).getOrchestratorrequest()?.getInstanceid()).toBe("b"); // and nothing twice
});

test("an expired lease returns the item to the queue (QUEUE-2)", async () => {
  const { address } = await startTestScheduler({ turnLeaseMs: 50, activityLeaseMs: 50 });
  const client = new RawClient(address);
  await client.start("a");
  const work = client.work();
  const slow = await work.next();
  const again = await work.next("turn after its lease ran out");
  await expect(work.completeTurn(slow, [complete(1, "1")])).rejects.toMatchObject({ code: 9 });
  // On a busy machine a further lease may run out before the turn is completed.
  const completeInTime = async () => {
    for (let turn = again; ; turn = await work.next("the turn once more")) {
      const completed = work.completeTurn(turn, [scheduleTask(1, "step")]);
      const refused = await completed.then(
        () => undefined,
        (error: { readonly code?: number }) => error,
      );
      if (refused === undefined) return;
      expect(refused).toMatchObject({ code: 9 });
    }
  };
  await completeInTime();
  const activity = await work.next("activity");
  const retried = await work.next("activity after its lease ran out");
  expect(retried.getActivityrequest()?.getTaskid()).toBe(
    activity.getActivityrequest()?.getTaskid(),
  );
});

test("a stream holds no more items than it asked for (QUEUE-5)", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  for (const id of ["a", "b", "c"]) await client.start(id);
  const narrow = new pb.GetWorkItemsRequest();
  narrow.setMaxconcurrentorchestrationworkitems(2);
  const work = client.work(narrow);
  const first = await work.next();
  await work.next();
  await client.raiseEvent("a", "a call and its answer later"); // the third would have come by now
  expect(work.waiting).toBe(0);
  await work.completeTurn(first);
  await work.next("third item, once there is room");
});

test("an item that no worker accepts does not block other items (QUEUE-6)", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a", "nobody's");
  await client.start("b", "ours");
  const filter = new pb.OrchestrationFilter();
  filter.setName("ours");
  const filters = new pb.WorkItemFilters();
  filters.setOrchestrationsList([filter]);
  const request = new pb.GetWorkItemsRequest();
  request.setWorkitemfilters(filters);
  const item = await client.work(request).next();
  expect(item.getOrchestratorrequest()?.getInstanceid()).toBe("b");
  const anything = await client.work().next("item for a worker without filters");
  expect(anything.getOrchestratorrequest()?.getInstanceid()).toBe("a");
});

test("a filter matches an activity without a version by the version of its orchestration", async () => {
  const first = await startTestScheduler();
  const starter = new RawClient(first.address);
  const start = new pb.CreateInstanceRequest();
  start.setInstanceid("a");
  start.setName("anything");
  start.setVersion(stringValue("2"));
  await starter.call(starter.stub.startInstance, start);
  const orchestrator = starter.work();
  await orchestrator.completeTurn(await orchestrator.next(), [scheduleTask(1, "step")]);
  orchestrator.cancel();

  const accepting = (...versions: string[]) => {
    const filter = new pb.ActivityFilter();
    filter.setName("step");
    filter.setVersionsList(versions);
    const filters = new pb.WorkItemFilters();
    filters.setActivitiesList([filter]);
    const request = new pb.GetWorkItemsRequest();
    request.setWorkitemfilters(filters);
    return request;
  };
  const other = starter.work(accepting("1"));
  const item = await starter.work(accepting("1", "2")).next("activity of version 2");
  expect(item.getActivityrequest()?.getTaskid()).toBe(1);
  expect(other.waiting).toBe(0);
  await first.close();

  const { address } = await startTestScheduler({ database: first.database });
  const client = new RawClient(address);
  await client.work(accepting("2")).next("activity of version 2 after a restart");
});

test("work is spread over the workers", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  const [left, right] = [client.work(), client.work()];
  await client.start("a");
  await client.start("b");
  const ids = [await left.next(), await right.next()].map((item) =>
    item.getOrchestratorrequest()?.getInstanceid(),
  );
  expect(ids.sort()).toEqual(["a", "b"]);
});

test("task hubs are separate: the same id may exist in each, and workers get only their own work", async () => {
  const { address } = await startTestScheduler();
  const [red, blue] = [new RawClient(address, "red"), new RawClient(address, "blue")];
  await red.start("a", "red-one");
  await blue.start("a", "blue-one");
  const work = red.work();
  await work.completeTurn(await work.next(), [complete(1, "1")]);
  expect((await red.state("a"))?.getOrchestrationstatus()).toBe(COMPLETED);
  expect((await blue.state("a"))?.getOrchestrationstatus()).toBe(PENDING);
  expect((await blue.state("a"))?.getName()).toBe("blue-one");
});

test("a task hub that is not configured is refused, and the error names it", async () => {
  const { address } = await startTestScheduler({ taskHubs: ["red", "blue"] });
  await new RawClient(address, "red").start("a");
  await expect(new RawClient(address, "green").start("a")).rejects.toMatchObject({
    code: 5,
    details: "There is no task hub 'green'. This scheduler serves: red, blue.",
  });
});

test("last_updated increases with every turn, even within one millisecond (INSTANCE-3)", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  const work = client.work();
  const seen: number[] = [];
  for (let turn = 0; turn < 20; turn += 1) {
    await work.completeTurn(await work.next(), [], `"${turn}"`);
    const state = await client.state("a");
    expect(state?.getOrchestrationstatus()).toBe(RUNNING);
    seen.push(state?.getLastupdatedtimestamp()?.toDate().getTime() ?? 0);
    await client.raiseEvent("a", "go on");
  }
  expect(seen).toEqual([...new Set(seen)].sort((a, b) => a - b));
});

test("a turn may be reported in parts, which take effect together", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  const work = client.work();
  const item = await work.next();
  const part = new pb.OrchestratorResponse();
  part.setCompletiontoken(item.getCompletiontoken());
  part.setIspartial(true);
  part.setActionsList([scheduleTask(1, "first")]);
  await client.call(client.stub.completeOrchestratorTask, part);
  expect(work.waiting).toBe(0);
  await work.completeTurn(item, [scheduleTask(2, "second")]);
  const names = [await work.next("activity"), await work.next("other activity")].map((each) =>
    each.getActivityrequest()?.getName(),
  );
  expect(names.sort()).toEqual(["first", "second"]);
});

test("an unimplemented method is UNIMPLEMENTED, with its name", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await expect(
    client.call(client.stub.createTaskHub, new pb.CreateTaskHubRequest()),
  ).rejects.toMatchObject({ code: 12, details: expect.stringContaining("CreateTaskHub") });
});
