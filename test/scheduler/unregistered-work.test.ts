/** Workers that share a task hub without filters get each other's work. */
import { expect, test } from "vitest";
import { pb } from "../../src/scheduler/protocol/proto.ts";
import { FAILED } from "../../src/scheduler/protocol/status.ts";
import { eventually } from "../helpers/deadline.ts";
import { complete, RawClient, scheduleTask, type WorkStream } from "./support/raw-client.ts";
import { silentLogger, startTestScheduler } from "./support/scheduler.ts";

async function startRecording() {
  const warnings: { details: object; message: string }[] = [];
  const warn = (details: object, message: string) => void warnings.push({ details, message });
  const { address } = await startTestScheduler({ logger: { ...silentLogger, warn } });
  return { address, warnings };
}

function worker(address: string, id: string, orchestrations?: readonly string[]): WorkStream {
  const client = new RawClient(address);
  client.metadata.set("workerid", id);
  const request = new pb.GetWorkItemsRequest();
  if (orchestrations) {
    const filters = new pb.WorkItemFilters();
    for (const name of orchestrations) {
      const filter = new pb.OrchestrationFilter();
      filter.setName(name);
      filters.addOrchestrations(filter);
    }
    request.setWorkitemfilters(filters);
  }
  return client.work(request);
}

function notRegistered(name: string): pb.OrchestratorAction {
  const failure = new pb.TaskFailureDetails();
  failure.setErrortype("OrchestratorNotRegisteredError");
  failure.setErrormessage(`Orchestrator '${name}' does not exist.`);
  const action = complete(1, undefined, FAILED);
  action.getCompleteorchestration()?.setFailuredetails(failure);
  return action;
}

/** The next item of whichever worker gets one. */
async function take(...workers: WorkStream[]) {
  const by = await eventually("work item", async () => workers.find(({ waiting }) => waiting > 0));
  return { item: await by.next(), by };
}

/** Starts orchestrations until the worker named first has failed two as unregistered. */
async function failTwo(client: RawClient, name: string, left: WorkStream, right: WorkStream) {
  let failures = 0;
  for (let n = 0; failures < 2; n += 1) {
    await client.start(`${name}-${n}`, name);
    const { item, by } = await take(left, right);
    const fails = by === left;
    if (fails) failures += 1;
    await by.completeTurn(item, [fails ? notRegistered(name) : complete(1, "1")]);
  }
}

test("logs one warning per name when work fails as unregistered and another worker has no filters", async () => {
  const { address, warnings } = await startRecording();
  const client = new RawClient(address);
  const ignorant = worker(address, "worker-a");
  const other = worker(address, "worker-b");
  await failTwo(client, "theirs", ignorant, other);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]?.details).toMatchObject({
    taskHub: "default",
    kind: "orchestration",
    name: "theirs",
    worker: expect.stringContaining("worker-a at "),
    otherWorker: expect.stringContaining("worker-b at "),
  });
  expect(warnings[0]?.message).toMatch(/worker-a.*'theirs'.*worker-b.*has no work-item filters/s);
  await failTwo(client, "more", ignorant, other);
  expect(warnings).toHaveLength(2);
});

test("the warning also names a worker with a filter for the name", async () => {
  const { address, warnings } = await startRecording();
  const client = new RawClient(address);
  await failTwo(client, "ours", worker(address, "a"), worker(address, "b", ["ours"]));
  expect(warnings.map(({ message }) => message)).toEqual([
    expect.stringContaining("has a filter for that name"),
  ]);
});

/** Runs an orchestration whose activity fails with this error, whichever worker gets it. */
async function failActivity(client: RawClient, workers: WorkStream[], errorType: string) {
  await client.start(errorType);
  const first = await take(...workers);
  await first.by.completeTurn(first.item, [scheduleTask(1, "step")]);
  const activity = await take(...workers);
  const failure = new pb.TaskFailureDetails();
  failure.setErrortype(errorType);
  const response = new pb.ActivityResponse();
  response.setCompletiontoken(activity.item.getCompletiontoken());
  response.setFailuredetails(failure);
  await client.call(client.stub.completeActivityTask, response);
  const last = await take(...workers);
  await last.by.completeTurn(last.item, [complete(2, "1")]);
}

test("logs a warning for an unregistered activity, and none for an ordinary failure", async () => {
  const { address, warnings } = await startRecording();
  const client = new RawClient(address);
  const workers = [worker(address, "a"), worker(address, "b")];
  await failActivity(client, workers, "Error");
  expect(warnings).toEqual([]);
  await failActivity(client, workers, "ActivityNotRegisteredError");
  expect(warnings.map(({ details }) => details)).toMatchObject([
    { kind: "activity", name: "step" },
  ]);
});

test("logs no warning when no other worker takes such work", async () => {
  const { address, warnings } = await startRecording();
  const client = new RawClient(address);
  const workers = [worker(address, "a")];
  worker(address, "b", ["something else"]); // takes orchestrations of that name and no activities
  await failActivity(client, workers, "ActivityNotRegisteredError");
  expect(warnings).toEqual([]);
});
