import wrappers from "google-protobuf/google/protobuf/wrappers_pb.js";
import { expect, test } from "vitest";
import { pb, stringValue } from "../../src/scheduler/protocol/proto.ts";
import { within } from "../helpers/deadline.ts";
import { callEntity, complete, kinds, lockEntities, RawClient } from "./support/raw-client.ts";
import { startTestScheduler } from "./support/scheduler.ts";

function operations(item: pb.WorkItem): (string | undefined)[] {
  const events = item.getEntityrequestv2()?.getOperationrequestsList() ?? [];
  return events.map(
    (event) =>
      event.getEntityoperationsignaled()?.getOperation() ??
      event.getEntityoperationcalled()?.getRequestid(),
  );
}

async function entity(client: RawClient, id: string) {
  const request = new pb.GetEntityRequest();
  request.setInstanceid(id);
  request.setIncludestate(true);
  const response = await client.call<pb.GetEntityRequest, pb.GetEntityResponse>(
    client.stub.getEntity,
    request,
  );
  return response.getEntity();
}

test("operations that arrive during a batch make the next one, with the new state (ENTITY-1)", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.signal("@e@1", "first");
  const work = client.work();
  const batch = await work.next();
  expect(operations(batch)).toEqual(["first"]);
  await client.signal("@e@1", "second");
  await client.signal("@e@1", "third");
  expect(work.waiting).toBe(0);
  await work.completeBatch(batch, '"one"', 1);
  const next = await work.next();
  expect(operations(next)).toEqual(["second", "third"]);
  expect(next.getEntityrequestv2()?.getEntitystate()?.getValue()).toBe('"one"');
});

test("operations without a result are sent to a worker again", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  for (const name of ["first", "second", "third"]) await client.signal("@e@1", name);
  const work = client.work();
  await work.completeBatch(await work.next(), '"one"', 1);
  expect(operations(await work.next())).toEqual(["second", "third"]);
});

test("a batch that fails as a whole changes nothing and is retried", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.signal("@e@1", "only");
  const work = client.work();
  const failed = new pb.EntityBatchResult();
  failed.setCompletiontoken((await work.next()).getCompletiontoken());
  failed.setFailuredetails(new pb.TaskFailureDetails());
  await client.call(client.stub.completeEntityTask, failed);
  const again = await work.next("the batch again");
  expect(operations(again)).toEqual(["only"]);
  await work.completeBatch(again, '"done"', 1);
  expect((await entity(client, "@e@1"))?.getSerializedstate()?.getValue()).toBe('"done"');
});

test("state, waiting operations and delayed signals survive a restart", async () => {
  const first = await startTestScheduler();
  const before = new RawClient(first.address);
  await before.signal("@e@1", "done before");
  const early = before.work();
  await early.completeBatch(await early.next(), '"kept"', 1);
  await before.signal("@e@1", "delayed", Date.now() + 400);
  early.cancel();
  await before.signal("@e@2", "waiting");
  await first.close();

  const { address } = await startTestScheduler({ database: first.database });
  const client = new RawClient(address);
  const work = client.work();
  const waiting = await work.next("waiting operation");
  expect(operations(waiting)).toEqual(["waiting"]);
  const delayed = await work.next("delayed signal");
  expect(operations(delayed)).toEqual(["delayed"]);
  expect(delayed.getEntityrequestv2()?.getEntitystate()?.getValue()).toBe('"kept"');
});

test("a locked entity handles its holder's calls, and other operations after the holder has ended (ENTITY-2, ENTITY-4)", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  const work = client.work();
  await client.start("holder");
  await work.completeTurn(await work.next(), [lockEntities(1, "section", ["@e@1", "@e@2"])]);
  const granted = await work.next("turn with the lock");
  expect(kinds(granted.getOrchestratorrequest()?.getNeweventsList() ?? [])).toContain(
    "ENTITYLOCKGRANTED",
  );
  await client.signal("@e@1", "from outside");
  await work.completeTurn(granted, [callEntity(2, "@e@1", "holder")]);
  const call = await work.next("the holder's call");
  expect(operations(call)).toEqual(["request-2"]);
  await work.completeBatch(call, '"called"', 1);
  const answered = await work.next("turn with the answer");
  expect((await entity(client, "@e@1"))?.getLockedby()?.getValue()).toBe("holder");
  await work.completeTurn(answered, [complete(3, "1")]);
  expect(operations(await work.next("signal from outside"))).toEqual(["from outside"]);
  expect((await entity(client, "@e@1"))?.getLockedby()).toBeUndefined();
});

test("a lock is not granted to an orchestration that has ended (ENTITY-4)", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  const work = client.work();
  for (const id of ["holder", "dead", "next"]) {
    await client.start(id);
    await work.completeTurn(await work.next(), [lockEntities(1, id, ["@e@1"])]);
    if (id === "holder") await work.next("turn with the lock");
  }
  await client.raiseEvent("dead", "end");
  await work.completeTurn(await work.next("turn of the dead"), [complete(2, "1")]);
  const batch = new pb.InstanceBatch();
  batch.setInstanceidsList(["holder"]);
  const force = new pb.SkipGracefulOrchestrationTerminationsRequest();
  force.setInstancebatch(batch);
  await client.call(client.stub.skipGracefulOrchestrationTerminations, force);
  const granted = await within("lock for the next", work.next());
  expect(granted.getOrchestratorrequest()?.getInstanceid()).toBe("next");
});

test("a page of large entity states is cut, and no entity is missing", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  const work = client.work();
  const state = JSON.stringify("x".repeat(600_000));
  for (let n = 0; n < 4; n += 1) {
    await client.signal(`@e@${n}`, "set");
    await work.completeBatch(await work.next(), state, 1);
  }
  const list = async (token: string | undefined, size: number) => {
    const query = new pb.EntityQuery();
    query.setIncludestate(true);
    query.setPagesize(int32Value(size));
    query.setContinuationtoken(stringValue(token));
    const request = new pb.QueryEntitiesRequest();
    request.setQuery(query);
    const response = await client.call<pb.QueryEntitiesRequest, pb.QueryEntitiesResponse>(
      client.stub.queryEntities,
      request,
    );
    const ids = response.getEntitiesList().map((entity) => entity.getInstanceid());
    return { ids, token: response.getContinuationtoken()?.getValue() };
  };
  for (const size of [-1, 0, 3]) {
    const found: string[] = [];
    let token: string | undefined;
    do {
      const page = await list(token, size);
      expect(page.ids).toHaveLength(1);
      found.push(...page.ids);
      token = page.token;
    } while (token);
    expect(found).toEqual(["@e@0", "@e@1", "@e@2", "@e@3"]);
  }
});

function int32Value(value: number) {
  const wrapped = new wrappers.Int32Value();
  wrapped.setValue(value);
  return wrapped;
}
