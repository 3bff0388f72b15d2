/** A client of the raw protocol, for tokens, fields, streams and deadlines that the SDK hides. */
import { credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import service from "@microsoft/durabletask-js/dist/proto/orchestrator_service_grpc_pb.js";
import { onTestFinished } from "vitest";
import { pb, stringValue, toTimestamp } from "../../../src/scheduler/protocol/proto.ts";
import { COMPLETED } from "../../../src/scheduler/protocol/status.ts";
import { within } from "../../helpers/deadline.ts";

type Stub = InstanceType<typeof service.TaskHubSidecarServiceClient>;
type Unary<Request, Response> = (
  request: Request,
  metadata: Metadata,
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown;

export class RawClient {
  readonly stub: Stub;
  readonly metadata = new Metadata();

  constructor(address: string, taskHub = "default", maxReceiveBytes = 4 * 1024 * 1024) {
    this.stub = new service.TaskHubSidecarServiceClient(address, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
      "grpc.max_receive_message_length": maxReceiveBytes,
    });
    this.metadata.set("taskhub", taskHub);
    onTestFinished(() => this.stub.close());
  }

  call<Request, Response>(method: Unary<Request, Response>, request: Request): Promise<Response> {
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    method.call(this.stub, request, this.metadata, (error, response) =>
      error ? reject(error) : resolve(response),
    );
    return promise;
  }

  async start(instanceId: string, name = "anything"): Promise<void> {
    const request = new pb.CreateInstanceRequest();
    request.setInstanceid(instanceId);
    request.setName(name);
    await this.call<pb.CreateInstanceRequest, pb.CreateInstanceResponse>(
      this.stub.startInstance,
      request,
    );
  }

  async signal(entityId: string, operation: string, atMs?: number): Promise<void> {
    const request = new pb.SignalEntityRequest();
    request.setInstanceid(entityId);
    request.setName(operation);
    request.setRequestid(operation);
    if (atMs !== undefined) request.setScheduledtime(toTimestamp(atMs));
    await this.call<pb.SignalEntityRequest, pb.SignalEntityResponse>(
      this.stub.signalEntity,
      request,
    );
  }

  async raiseEvent(instanceId: string, name: string): Promise<void> {
    const request = new pb.RaiseEventRequest();
    request.setInstanceid(instanceId);
    request.setName(name);
    await this.call<pb.RaiseEventRequest, pb.RaiseEventResponse>(this.stub.raiseEvent, request);
  }

  async state(instanceId: string): Promise<pb.OrchestrationState | undefined> {
    const request = new pb.GetInstanceRequest();
    request.setInstanceid(instanceId);
    request.setGetinputsandoutputs(true);
    const response = await this.call<pb.GetInstanceRequest, pb.GetInstanceResponse>(
      this.stub.getInstance,
      request,
    );
    return response.getOrchestrationstate();
  }

  async history(instanceId: string): Promise<pb.HistoryEvent[]> {
    const request = new pb.StreamInstanceHistoryRequest();
    request.setInstanceid(instanceId);
    const events: pb.HistoryEvent[] = [];
    const stream = this.stub.streamInstanceHistory(request, this.metadata);
    for await (const chunk of stream) events.push(...(chunk as pb.HistoryChunk).getEventsList());
    return events;
  }

  work(request = new pb.GetWorkItemsRequest()): WorkStream {
    return new WorkStream(this, request);
  }
}

/** A worker driven by the test: items are queued as they arrive. */
export class WorkStream {
  readonly #client: RawClient;
  readonly #call;
  readonly #items: pb.WorkItem[] = [];
  #arrived = Promise.withResolvers<void>();
  /** Settles when the scheduler has ended the stream. */
  readonly ended: Promise<void>;

  constructor(client: RawClient, request: pb.GetWorkItemsRequest) {
    this.#client = client;
    this.#call = client.stub.getWorkItems(request, client.metadata);
    this.#call.on("data", (item: pb.WorkItem) => {
      this.#items.push(item);
      this.#arrived.resolve();
    });
    this.#call.on("error", () => undefined); // a cancelled stream emits an error
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#call.on("end", resolve);
    this.ended = promise;
    onTestFinished(() => this.cancel());
  }

  get waiting(): number {
    return this.#items.length;
  }

  async next(what = "work item"): Promise<pb.WorkItem> {
    for (;;) {
      const item = this.#items.shift();
      if (item) return item;
      this.#arrived = Promise.withResolvers<void>();
      await within(what, this.#arrived.promise);
    }
  }

  cancel(): void {
    this.#call.cancel();
  }

  /** Answers a turn with these actions. */
  async completeTurn(
    item: pb.WorkItem,
    actions: readonly pb.OrchestratorAction[] = [],
    customStatus?: string,
  ): Promise<void> {
    const response = new pb.OrchestratorResponse();
    response.setInstanceid(item.getOrchestratorrequest()?.getInstanceid() ?? "");
    response.setCompletiontoken(item.getCompletiontoken());
    response.setActionsList([...actions]);
    if (customStatus !== undefined) response.setCustomstatus(stringValue(customStatus));
    await this.#client.call<pb.OrchestratorResponse, pb.CompleteTaskResponse>(
      this.#client.stub.completeOrchestratorTask,
      response,
    );
  }

  /** Answers a batch: this state, and a result for each of the first `count` operations. */
  async completeBatch(item: pb.WorkItem, state: string | undefined, count: number): Promise<void> {
    const result = new pb.EntityBatchResult();
    result.setCompletiontoken(item.getCompletiontoken());
    result.setEntitystate(stringValue(state));
    result.setResultsList(
      Array.from({ length: count }, () => {
        const each = new pb.OperationResult();
        each.setSuccess(new pb.OperationResultSuccess());
        return each;
      }),
    );
    await this.#client.call<pb.EntityBatchResult, pb.CompleteTaskResponse>(
      this.#client.stub.completeEntityTask,
      result,
    );
  }

  async completeActivity(item: pb.WorkItem, result: string): Promise<void> {
    const response = new pb.ActivityResponse();
    response.setInstanceid(
      item.getActivityrequest()?.getOrchestrationinstance()?.getInstanceid() ?? "",
    );
    response.setCompletiontoken(item.getCompletiontoken());
    response.setTaskid(item.getActivityrequest()?.getTaskid() ?? 0);
    response.setResult(stringValue(result));
    await this.#client.call<pb.ActivityResponse, pb.CompleteTaskResponse>(
      this.#client.stub.completeActivityTask,
      response,
    );
  }
}

/** An operation that an orchestrator calls and waits for. */
export function callEntity(id: number, entityId: string, caller: string): pb.OrchestratorAction {
  const called = new pb.EntityOperationCalledEvent();
  called.setRequestid(`request-${id}`);
  called.setOperation("operation");
  called.setTargetinstanceid(stringValue(entityId));
  called.setParentinstanceid(stringValue(caller));
  const message = new pb.SendEntityMessageAction();
  message.setEntityoperationcalled(called);
  return entityMessage(id, message);
}

export function lockEntities(id: number, section: string, set: string[]): pb.OrchestratorAction {
  const lock = new pb.EntityLockRequestedEvent();
  lock.setCriticalsectionid(section);
  lock.setLocksetList(set);
  const message = new pb.SendEntityMessageAction();
  message.setEntitylockrequested(lock);
  return entityMessage(id, message);
}

function entityMessage(id: number, message: pb.SendEntityMessageAction): pb.OrchestratorAction {
  const action = new pb.OrchestratorAction();
  action.setId(id);
  action.setSendentitymessage(message);
  return action;
}

export function scheduleTask(id: number, name: string): pb.OrchestratorAction {
  const task = new pb.ScheduleTaskAction();
  task.setName(name);
  const action = new pb.OrchestratorAction();
  action.setId(id);
  action.setScheduletask(task);
  return action;
}

export function createChild(id: number, instanceId: string, input: string): pb.OrchestratorAction {
  const child = new pb.CreateSubOrchestrationAction();
  child.setInstanceid(instanceId);
  child.setName("child");
  child.setInput(stringValue(input));
  const action = new pb.OrchestratorAction();
  action.setId(id);
  action.setCreatesuborchestration(child);
  return action;
}

export function createTimer(id: number, fireAtMs: number): pb.OrchestratorAction {
  const timer = new pb.CreateTimerAction();
  timer.setFireat(toTimestamp(fireAtMs));
  const action = new pb.OrchestratorAction();
  action.setId(id);
  action.setCreatetimer(timer);
  return action;
}

export function complete(
  id: number,
  result: string | undefined,
  status: number = COMPLETED,
): pb.OrchestratorAction {
  const end = new pb.CompleteOrchestrationAction();
  end.setOrchestrationstatus(status as pb.OrchestrationStatus);
  end.setResult(stringValue(result));
  const action = new pb.OrchestratorAction();
  action.setId(id);
  action.setCompleteorchestration(end);
  return action;
}

/** The kinds of events, by name: `TASKCOMPLETED`. */
export function kinds(events: readonly pb.HistoryEvent[]): string[] {
  const names = Object.entries(pb.HistoryEvent.EventtypeCase);
  return events.map(
    (event) => names.find(([, value]) => value === event.getEventtypeCase())?.[0] ?? "?",
  );
}
