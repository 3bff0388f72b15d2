import { expect, test } from "vitest";
import { pb, stringValue, toTimestamp } from "../../src/scheduler/protocol/proto.ts";
import { complete, createChild, RawClient, scheduleTask } from "./support/raw-client.ts";
import { startTestScheduler } from "./support/scheduler.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";

function traceContext(spanId: string): pb.TraceContext {
  const context = new pb.TraceContext();
  context.setTraceparent(`00-${TRACE}-${spanId}-01`);
  context.setSpanid(spanId);
  context.setTracestate(stringValue("vendor=1"));
  return context;
}

const [START, TASK, CHILD] = ["1111111111111111", "2222222222222222", "3333333333333333"];

test("the trace context of a start, a task and a child reaches worker and history as it was sent", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  const start = new pb.CreateInstanceRequest();
  start.setInstanceid("a");
  start.setName("parent");
  start.setParenttracecontext(traceContext(START));
  await client.call<pb.CreateInstanceRequest, pb.CreateInstanceResponse>(
    client.stub.startInstance,
    start,
  );
  const work = client.work();
  const turn = await work.next();
  expect(startOf(turn.getOrchestratorrequest()?.getNeweventsList())).toEqual(expected(START));

  const task = scheduleTask(1, "step");
  task.getScheduletask()?.setParenttracecontext(traceContext(TASK));
  const child = createChild(2, "b", "1");
  child.getCreatesuborchestration()?.setParenttracecontext(traceContext(CHILD));
  await work.completeTurn(turn, [task, child]);
  const items = [await work.next(), await work.next()];
  const activity = items.find((item) => item.hasActivityrequest())?.getActivityrequest();
  const first = items.find((item) => item.hasOrchestratorrequest())?.getOrchestratorrequest();
  expect(shown(activity?.getParenttracecontext())).toEqual(expected(TASK));
  expect(startOf(first?.getNeweventsList())).toEqual(expected(CHILD));

  const history = await client.history("a");
  const scheduled = history.find((event) => event.hasTaskscheduled())?.getTaskscheduled();
  const created = history
    .find((event) => event.hasSuborchestrationinstancecreated())
    ?.getSuborchestrationinstancecreated();
  expect(startOf(history)).toEqual(expected(START));
  expect(shown(scheduled?.getParenttracecontext())).toEqual(expected(TASK));
  expect(shown(created?.getParenttracecontext())).toEqual(expected(CHILD));
});

test("the span of an orchestration's first turn is passed to each later one", async () => {
  const { address } = await startTestScheduler();
  const client = new RawClient(address);
  await client.start("a");
  const work = client.work();
  const first = await work.next();
  expect(first.getOrchestratorrequest()?.hasOrchestrationtracecontext()).toBe(false);

  const span = new pb.OrchestrationTraceContext();
  span.setSpanid(stringValue(START));
  span.setSpanstarttime(toTimestamp(1_700_000_000_000));
  const response = new pb.OrchestratorResponse();
  response.setInstanceid("a");
  response.setCompletiontoken(first.getCompletiontoken());
  response.setOrchestrationtracecontext(span);
  await client.call<pb.OrchestratorResponse, pb.CompleteTaskResponse>(
    client.stub.completeOrchestratorTask,
    response,
  );
  // A turn whose answer has none keeps it.
  for (const event of ["one", "two"]) {
    await client.raiseEvent("a", event);
    const later = await work.next();
    const passed = later.getOrchestratorrequest()?.getOrchestrationtracecontext();
    expect(passed?.getSpanid()?.getValue()).toBe(START);
    expect(passed?.getSpanstarttime()?.getSeconds()).toBe(1_700_000_000);
    await work.completeTurn(later, event === "two" ? [complete(1, undefined)] : []);
  }
});

function startOf(events: readonly pb.HistoryEvent[] = []) {
  const started = events.find((event) => event.hasExecutionstarted())?.getExecutionstarted();
  return shown(started?.getParenttracecontext());
}

function shown(context: pb.TraceContext | undefined) {
  return (
    context && {
      traceparent: context.getTraceparent(),
      spanId: context.getSpanid(),
      tracestate: context.getTracestate()?.getValue(),
    }
  );
}

function expected(spanId: string | undefined) {
  return { traceparent: `00-${TRACE}-${spanId}-01`, spanId, tracestate: "vendor=1" };
}
