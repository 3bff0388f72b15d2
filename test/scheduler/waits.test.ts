import { expect, test } from "vitest";
import { pb } from "../../src/scheduler/protocol/proto.ts";
import { COMPLETED, RUNNING } from "../../src/scheduler/protocol/status.ts";
import { within } from "../helpers/deadline.ts";
import { complete, RawClient } from "./support/raw-client.ts";
import { startTestScheduler } from "./support/scheduler.ts";

function wait(client: RawClient, id: string, what: "start" | "end") {
  const request = new pb.GetInstanceRequest();
  request.setInstanceid(id);
  request.setGetinputsandoutputs(true);
  const method =
    what === "start" ? client.stub.waitForInstanceStart : client.stub.waitForInstanceCompletion;
  return client.call<pb.GetInstanceRequest, pb.GetInstanceResponse>(method, request);
}

test("hundreds of waiting calls do not block other calls, and all are answered at the end", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  const waiting = Array.from({ length: 500 }, () => wait(client, "a", "end"));
  const work = client.work();
  await work.completeTurn(await work.next(), []);
  expect((await client.state("a"))?.getOrchestrationstatus()).toBe(RUNNING);
  await client.raiseEvent("a", "go");
  await work.completeTurn(await work.next(), [complete(1, '"out"')]);
  const answers = await within("answer to every waiting call", Promise.all(waiting));
  for (const answer of answers) {
    expect(answer.getOrchestrationstate()?.getOrchestrationstatus()).toBe(COMPLETED);
    expect(answer.getOrchestrationstate()?.getOutput()?.getValue()).toBe('"out"');
  }
});

test("waiting for the start ends with the first turn", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  let started = false;
  const waiting = wait(client, "a", "start").then(() => {
    started = true;
  });
  const work = client.work();
  const turn = await work.next();
  expect(started).toBe(false);
  await work.completeTurn(turn, []);
  await within("answer to the waiting call", waiting);
});

test("waiting for an unknown instance is answered at once", async () => {
  const { address } = await startTestScheduler();
  expect((await wait(new RawClient(address), "nobody", "end")).getExists()).toBe(false);
});

test("a call whose deadline passes does not affect other waiting calls", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  const request = new pb.GetInstanceRequest();
  request.setInstanceid("a");
  const late = Promise.withResolvers<number>();
  client.stub.waitForInstanceCompletion(
    request,
    client.metadata,
    { deadline: Date.now() + 50 },
    (error) => late.resolve(error?.code ?? 0),
  );
  const patient = wait(client, "a", "end");
  expect(await within("end of the deadline", late.promise)).toBe(4); // DEADLINE_EXCEEDED
  const work = client.work();
  await work.completeTurn(await work.next(), [complete(1, "1")]);
  expect((await within("answer", patient)).getExists()).toBe(true);
});

test("a cancelled worker stream gets no more work", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  const gone = client.work();
  await client.start("a");
  await gone.next();
  gone.cancel();
  const work = client.work();
  await work.completeTurn(await work.next("the turn, from the stream that left"), []);
  // If the cancelled stream were still counted, it would get a share.
  for (const id of ["b", "c", "d"]) await client.start(id);
  for (let n = 0; n < 3; n += 1) await work.next(`share ${n + 1} of 3`);
});
