/**
 * Orchestrator turns and activities: handed out, and taken back with their results.
 *
 *   E1. All effects of a turn are stored together or not at all, and once.
 *   E2. History is, per turn: what the orchestrator was told, then what it decided.
 *   E3. A turn takes in only messages that are durable, and exactly those it was shown.
 */

import { staleToken } from "./errors.ts";
import type { After, GroupCommit } from "./group-commit.ts";
import {
  childFailed,
  EventKind,
  eventRaised,
  executionCompleted,
  executionStarted,
  executionSuspended,
  failureDetails,
  type Message,
  orchestratorStarted,
  taskCompleted,
  taskFailed,
} from "./history-events.ts";
import { type Lifecycle, newExecutionId, outlivesGeneration } from "./lifecycle.ts";
import { pb, stringValue } from "./proto.ts";
import { FAILED, isTerminal, RUNNING, SUSPENDED } from "./status.ts";
import type { Store } from "./store.ts";
import type { Instance } from "./store-instances.ts";
import { parseTags, setTags, tagsOf } from "./tags.ts";
import { planTurn, suspensionAfter, type TurnPlan, UnsupportedActionError } from "./turn-plan.ts";
import { activityWorkItem, historyChunk, orchestratorWorkItem } from "./wire.ts";
import type { Lease, LeasedTurn, LoadedWork, WorkItem, WorkQueue } from "./work-queue.ts";

export class Turns {
  readonly #store: Store;
  readonly #commit: GroupCommit;
  readonly #queue: WorkQueue;
  readonly #lifecycle: Lifecycle;

  constructor(store: Store, commit: GroupCommit, queue: WorkQueue, lifecycle: Lifecycle) {
    this.#store = store;
    this.#commit = commit;
    this.#queue = queue;
    this.#lifecycle = lifecycle;
  }

  /** Reads a ready item from the file, as the worker needs it. */
  load(item: WorkItem): LoadedWork | undefined {
    if (item.kind === "turn") return this.#loadTurn(item);
    const activity = this.#store.activity(item.instanceKey, item.id);
    return activity && { bytes: activityWorkItem(activity.request) };
  }

  #loadTurn(item: WorkItem): LoadedWork | undefined {
    const instance = this.#store.instances.byKey(item.instanceKey);
    if (!instance || isTerminal(instance.status)) return undefined;
    const inbox = this.#store.messages(instance.key, this.#commit.durableId); // E3
    const last = inbox.at(-1);
    if (!last) return undefined;
    const messages = [orchestratorStarted(Date.now()), ...inbox];
    const head = new pb.OrchestratorRequest();
    head.setInstanceid(instance.instanceId);
    head.setExecutionid(stringValue(instance.executionId));
    if (instance.traceContext) {
      head.setOrchestrationtracecontext(
        pb.OrchestrationTraceContext.deserializeBinary(instance.traceContext),
      );
    }
    return {
      bytes: orchestratorWorkItem(
        head.serializeBinary(),
        this.#store.history(instance.key),
        messages.map(({ event }) => event),
      ),
      turn: { generation: instance.generation, lastSeq: last.seq, messages },
    };
  }

  async completeTurn(response: pb.OrchestratorResponse): Promise<void> {
    const lease = this.#queue.settle(response.getCompletiontoken(), "turn");
    if (!lease?.turn) throw staleToken();
    const { item, turn } = lease;
    try {
      await this.#commit.run((after) => {
        const instance = this.#store.instances.byKey(item.instanceKey);
        // Purged or ended by force meanwhile: there is nothing left that this turn may change.
        if (instance?.generation !== turn.generation || isTerminal(instance.status)) {
          throw staleToken();
        }
        this.#apply(after, instance, turn, response);
      });
    } catch (error) {
      this.#queue.giveBack(lease);
      throw error;
    }
    this.#queue.finishTurn(item);
  }

  async completeActivity(response: pb.ActivityResponse): Promise<void> {
    const lease = this.#queue.settle(response.getCompletiontoken(), "activity");
    if (!lease) throw staleToken();
    try {
      await this.#commit.run((after) => this.#storeResult(after, lease, response));
    } catch (error) {
      this.#queue.giveBack(lease);
      throw error;
    }
  }

  #storeResult(after: After, { item }: Lease, response: pb.ActivityResponse): void {
    const activity = this.#store.activity(item.instanceKey, item.id);
    if (!activity) return;
    this.#store.removeActivity(item.instanceKey, item.id);
    const instance = this.#store.instances.byKey(item.instanceKey);
    if (instance?.generation !== activity.generation) return; // L2
    const failure = response.getFailuredetails();
    const message = failure
      ? taskFailed(Date.now(), activity.taskId, failure)
      : taskCompleted(Date.now(), activity.taskId, response.getResult()?.getValue());
    this.#lifecycle.deliver(after, instance, message);
  }

  #apply(
    after: After,
    before: Instance,
    turn: LeasedTurn,
    response: pb.OrchestratorResponse,
  ): void {
    const nowMs = Date.now();
    this.#store.removeMessages(before.key, turn.lastSeq);
    const trace = response.getOrchestrationtracecontext()?.serializeBinary();
    const instance: Instance = {
      ...before,
      status: statusAfter(before, turn),
      customStatus: response.getCustomstatus()?.getValue() ?? before.customStatus,
      traceContext: trace ?? before.traceContext,
      turn: before.turn + 1,
    };
    let plan: TurnPlan;
    try {
      plan = planTurn(response.getActionsList(), nowMs);
    } catch (error) {
      if (!(error instanceof UnsupportedActionError)) throw error;
      const failure = failureDetails(error.name, error.message);
      this.#end(after, instance, turn, [], { eventId: -1, status: FAILED, failure });
      return;
    }
    this.#carryOut(after, instance, plan);
    const { end } = plan;
    if (end.kind === "continues") this.#continueAsNew(after, instance, turn, end.action);
    else if (end.kind === "ends") {
      this.#end(after, instance, turn, plan.confirmations, {
        eventId: end.eventId,
        status: end.action.getOrchestrationstatus(),
        output: end.action.getResult()?.getValue(),
        failure: end.action.getFailuredetails(),
      });
    } else {
      this.#append(instance, turn, plan.confirmations);
      this.#lifecycle.save(after, instance);
    }
  }

  #append(instance: Instance, turn: LeasedTurn, decided: readonly Uint8Array[]): void {
    const told = turn.messages.map(({ event }) => event);
    this.#store.addHistory(instance.key, instance.turn, historyChunk([...told, ...decided])); // E2
  }

  #end(
    after: After,
    instance: Instance,
    turn: LeasedTurn,
    decided: readonly Uint8Array[],
    end: {
      eventId: number;
      status: number;
      output?: string | undefined;
      failure: pb.TaskFailureDetails | undefined;
    },
  ): void {
    const { status, output, failure } = end;
    const completed = executionCompleted(Date.now(), end.eventId, {
      status,
      result: output,
      failure,
    });
    this.#append(instance, turn, [...decided, completed]);
    this.#lifecycle.finish(after, instance, { status, output, failure });
    const terminated = turn.messages.find(({ kind }) => kind === EventKind.EXECUTIONTERMINATED);
    const request = terminated && pb.HistoryEvent.deserializeBinary(terminated.event);
    if (request?.getExecutionterminated()?.getRecurse()) {
      this.#lifecycle.terminateChildren(after, instance, output);
    }
  }

  #continueAsNew(
    after: After,
    instance: Instance,
    turn: LeasedTurn,
    action: pb.CompleteOrchestrationAction,
  ): void {
    const nowMs = Date.now();
    const input = action.getResult()?.getValue();
    const next: Instance = {
      ...instance,
      executionId: newExecutionId(),
      generation: instance.generation + 1,
      turn: 0,
      version: action.getNewversion()?.getValue() ?? instance.version,
      status: RUNNING,
    };
    // Whatever came in during this turn is behind what the orchestrator carries over.
    const arrived = this.#store
      .messages(instance.key, this.#store.lastId)
      .filter(({ kind }) => outlivesGeneration(kind));
    const carried = action.getCarryovereventsList().map((event) => {
      const raised = event.getEventraised();
      return eventRaised(nowMs, raised?.getName() ?? "", raised?.getInput()?.getValue());
    });
    this.#store.removeMessages(instance.key, this.#store.lastId);
    this.#store.removeHistory(instance.key);
    this.#store.removeTimers(instance.key);
    this.#store.instances.replaceInput(instance.key, input);
    const parent = instance.parent && this.#store.instances.byKey(instance.parent.key);
    const start = executionStarted(nowMs, {
      ...next,
      input,
      tags: parseTags(instance.tags),
      traceContext: undefined,
      parent: instance.parent && { ...instance.parent, name: parent?.name ?? "" },
    });
    for (const message of [start, ...carried, ...unanswered(turn, nowMs), ...arrived]) {
      this.#store.addMessage(next.key, message);
    }
    this.#lifecycle.save(after, next);
    this.#lifecycle.ready(after, next);
  }

  #carryOut(after: After, instance: Instance, plan: TurnPlan): void {
    for (const { taskId, action } of plan.activities) {
      this.#scheduleActivity(after, instance, taskId, action);
    }
    for (const { timerId, dueMs } of plan.timers) {
      if (plan.end.kind === "waits") this.#lifecycle.addTimer(after, instance, dueMs, timerId);
    }
    for (const { taskId, action } of plan.children) {
      this.#createChild(after, instance, taskId, action);
    }
    for (const action of plan.sends) {
      const id = action.getInstance()?.getInstanceid() ?? "";
      const target = this.#store.instances.byId(instance.hub, id);
      const message = eventRaised(Date.now(), action.getName(), action.getData()?.getValue());
      if (target) this.#lifecycle.deliver(after, target, message);
    }
    for (const action of plan.terminations) {
      const target = this.#store.instances.byId(instance.hub, action.getInstanceid());
      const reason = action.getReason()?.getValue();
      if (target) this.#lifecycle.terminate(after, target, reason, action.getRecurse());
    }
  }

  #scheduleActivity(
    after: After,
    instance: Instance,
    taskId: number,
    action: pb.ScheduleTaskAction,
  ): void {
    const owner = new pb.OrchestrationInstance();
    owner.setInstanceid(instance.instanceId);
    owner.setExecutionid(stringValue(instance.executionId));
    const request = new pb.ActivityRequest();
    request.setName(action.getName());
    request.setVersion(action.getVersion());
    request.setInput(action.getInput());
    request.setOrchestrationinstance(owner);
    request.setTaskid(taskId);
    request.setParenttracecontext(action.getParenttracecontext());
    setTags(request, tagsOf(action));
    const { hub, key: instanceKey, generation } = instance;
    const id = this.#store.nextId();
    const name = action.getName();
    const version = action.getVersion()?.getValue();
    this.#store.addActivity({
      instanceKey,
      id,
      hub,
      generation,
      taskId,
      name,
      version,
      request: request.serializeBinary(),
    });
    after(() => this.#queue.add({ kind: "activity", hub, instanceKey, id, name, version }));
  }

  #createChild(
    after: After,
    parent: Instance,
    taskId: number,
    action: pb.CreateSubOrchestrationAction,
  ): void {
    const instanceId = action.getInstanceid();
    const existing = this.#store.instances.byId(parent.hub, instanceId);
    if (existing && !isTerminal(existing.status)) {
      const reason = `An orchestration instance with the id '${instanceId}' already exists and has not ended.`;
      const failure = failureDetails("OrchestrationAlreadyExists", reason);
      this.#lifecycle.deliver(after, parent, childFailed(Date.now(), taskId, failure));
      return;
    }
    if (existing) this.#lifecycle.purge(after, existing);
    this.#lifecycle.create(
      after,
      {
        hub: parent.hub,
        instanceId,
        name: action.getName(),
        version: action.getVersion()?.getValue(),
        input: action.getInput()?.getValue(),
        tags: tagsOf(action),
        traceContext: action.getParenttracecontext(),
        parent: { ...parent, taskId },
      },
      existing?.updatedMs,
    );
  }
}

function statusAfter(before: Instance, turn: LeasedTurn): number {
  const suspended = suspensionAfter(turn.messages) ?? before.status === SUSPENDED;
  return suspended ? SUSPENDED : RUNNING;
}

/** Orders that came in a turn whose orchestrator had already decided to start anew. */
function unanswered(turn: LeasedTurn, nowMs: number): Message[] {
  const orders = turn.messages.filter(({ kind }) => kind === EventKind.EXECUTIONTERMINATED);
  return suspensionAfter(turn.messages)
    ? [executionSuspended(nowMs, undefined), ...orders]
    : orders;
}
