/** Carries out the actions of a turn: activities, timers, sub-orchestrations, events to other instances. */
import { now } from "../clock.ts";
import type { WorkQueue } from "../dispatch/work-queue.ts";
import { childFailed, eventRaised, failureDetails } from "../protocol/history-events.ts";
import { pb, stringValue } from "../protocol/proto.ts";
import { isTerminal } from "../protocol/status.ts";
import { setTags, tagsOf } from "../protocol/tags.ts";
import { instanceIdProblem } from "../protocol/validation.ts";
import type { After } from "../storage/group-commit.ts";
import type { InstanceRow } from "../storage/instance-table.ts";
import type { Store } from "../storage/store.ts";
import type { Entities } from "./entities.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { TurnPlan } from "./turn-plan.ts";

/** The description of an activity, which the action and the TaskScheduled event both have. */
export type ActivityCall = Pick<
  pb.ScheduleTaskAction,
  "getName" | "getVersion" | "getInput" | "getParenttracecontext" | "getTagsMap"
>;

/** The description of a sub-orchestration, which the action and the event of its creation both have. */
export type ChildCall = Pick<
  pb.CreateSubOrchestrationAction,
  "getInstanceid" | "getName" | "getVersion" | "getInput" | "getParenttracecontext" | "getTagsMap"
>;

export class TurnEffects {
  readonly #store: Store;
  readonly #queue: WorkQueue;
  readonly #lifecycle: Lifecycle;
  readonly #entities: Entities;

  constructor(store: Store, queue: WorkQueue, lifecycle: Lifecycle, entities: Entities) {
    this.#store = store;
    this.#queue = queue;
    this.#lifecycle = lifecycle;
    this.#entities = entities;
  }

  carryOut(after: After, instance: InstanceRow, plan: TurnPlan): void {
    for (const { taskId, action } of plan.activities) {
      this.scheduleActivity(after, instance, taskId, action);
    }
    // A timer only wakes the execution that created it.
    if (plan.end.kind === "waits") {
      for (const { timerId, dueMs } of plan.timers) {
        this.#lifecycle.addTimer(after, instance, dueMs, timerId);
      }
    }
    for (const { taskId, action } of plan.children) {
      this.createChild(after, instance, taskId, action);
    }
    for (const action of plan.sends) this.#sendEvent(after, instance, action);
    for (const message of plan.entityMessages) this.#entities.send(after, instance, message);
    for (const action of plan.terminations) {
      const target = this.#store.instances.byId(instance.hub, action.getInstanceid());
      const reason = action.getReason()?.getValue();
      if (target) this.#lifecycle.terminate(after, target, reason, action.getRecurse());
    }
  }

  scheduleActivity(after: After, instance: InstanceRow, taskId: number, call: ActivityCall): void {
    const owner = new pb.OrchestrationInstance();
    owner.setInstanceid(instance.instanceId);
    owner.setExecutionid(stringValue(instance.executionId));
    const request = new pb.ActivityRequest();
    request.setName(call.getName());
    request.setVersion(call.getVersion());
    request.setInput(call.getInput());
    request.setOrchestrationinstance(owner);
    request.setTaskid(taskId);
    request.setParenttracecontext(call.getParenttracecontext());
    setTags(request, tagsOf(call));
    const { hub, key: instanceKey, generation } = instance;
    const id = this.#store.nextId();
    const name = call.getName();
    const version = call.getVersion()?.getValue();
    const activity = { instanceKey, id, hub, generation, taskId, name, version };
    this.#store.addActivity({ ...activity, request: request.serializeBinary() });
    const item = { hub, instanceKey, id, name, version, ownerVersion: instance.version };
    after(() => this.#queue.add({ kind: "activity", ...item }));
  }

  /** An event for an unknown or terminal instance is discarded. */
  #sendEvent(after: After, sender: InstanceRow, action: pb.SendEventAction): void {
    const id = action.getInstance()?.getInstanceid() ?? "";
    const target = this.#store.instances.byId(sender.hub, id);
    const message = eventRaised(now(), action.getName(), action.getData()?.getValue());
    if (target) this.#lifecycle.deliver(after, target, message);
  }

  /** A child replaces a terminal instance of its id. If that instance is active, the call fails. */
  createChild(after: After, parent: InstanceRow, taskId: number, call: ChildCall): void {
    const instanceId = call.getInstanceid();
    const existing = this.#store.instances.byId(parent.hub, instanceId);
    const problem =
      instanceIdProblem(instanceId) ??
      (existing && !isTerminal(existing.status)
        ? `An instance with the id '${instanceId}' exists and is active.`
        : undefined);
    if (problem) {
      const failure = failureDetails("SubOrchestrationNotCreated", problem);
      this.#lifecycle.deliver(after, parent, childFailed(now(), taskId, failure));
      return;
    }
    if (existing) this.#lifecycle.purge(after, existing);
    const { key, generation, executionId, name } = parent;
    const child = {
      hub: parent.hub,
      instanceId,
      name: call.getName(),
      version: call.getVersion()?.getValue(),
      input: call.getInput()?.getValue(),
      tags: tagsOf(call),
      traceContext: call.getParenttracecontext(),
      parent: { key, generation, taskId, instanceId: parent.instanceId, executionId, name },
    };
    this.#lifecycle.create(after, child, existing?.updatedMs);
  }
}
