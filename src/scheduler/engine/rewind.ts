/**
 * Rewinds a failed instance, so that it continues from where it failed.
 *
 * First a worker removes the failures from the history: it gets the old history, which ends with
 * ExecutionCompleted, and exactly [OrchestratorStarted, ExecutionRewound], and answers with the new
 * history. That becomes a new generation. What was pending when the instance failed is scheduled
 * again, because its results were discarded (INSTANCE-1), and failed children are rewound as well.
 */
import { now } from "../clock.ts";
import { historyChunk } from "../protocol/framing.ts";
import { EventKind, executionRewound } from "../protocol/history-events.ts";
import { type pb, toMs } from "../protocol/proto.ts";
import { FAILED, isTerminal, RUNNING, statusName } from "../protocol/status.ts";
import { precondition } from "../protocol/status-errors.ts";
import type { After } from "../storage/group-commit.ts";
import type { InstanceRow } from "../storage/instance-table.ts";
import type { Store } from "../storage/store.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { ChildCall, TurnEffects } from "./turn-effects.ts";

export class Rewind {
  readonly #store: Store;
  readonly #lifecycle: Lifecycle;
  readonly #effects: TurnEffects;

  constructor(store: Store, lifecycle: Lifecycle, effects: TurnEffects) {
    this.#store = store;
    this.#lifecycle = lifecycle;
    this.#effects = effects;
  }

  begin(after: After, instance: InstanceRow, reason: string | undefined): void {
    if (instance.status !== FAILED) {
      throw precondition(
        `Rewind is not allowed: instance '${instance.instanceId}' is ${statusName(instance.status)}, ` +
          "and only a FAILED instance can be rewound.",
      );
    }
    this.#store.instances.setOutcome(instance.key, undefined, undefined);
    const revived = this.#lifecycle.save(after, { ...instance, status: RUNNING });
    const parentExecutionId = instance.parent?.executionId;
    this.#lifecycle.deliver(after, revived, executionRewound(now(), reason, parentExecutionId));
  }

  /** Applies the history that the worker has cleaned. `instance` is of the old generation. */
  apply(after: After, instance: InstanceRow, action: pb.RewindOrchestrationAction): void {
    const cleaned = action.getNewhistoryList();
    const rewound = cleaned.findLast((event) => event.hasExecutionrewound());
    // Without the rewind turn itself, which is delivered again as the next turn.
    const history = cleaned.slice(0, rewound ? -2 : undefined);
    const started = history.find((event) => event.hasExecutionstarted())?.getExecutionstarted();
    const executionId = started?.getOrchestrationinstance()?.getExecutionid()?.getValue();
    const next: InstanceRow = {
      ...instance,
      executionId: executionId ?? instance.executionId,
      generation: instance.generation + 1,
      turn: 1,
      status: RUNNING,
    };
    this.#store.removeHistory(instance.key);
    this.#store.removeTimers(instance.key);
    const chunk = historyChunk(history.map((event) => event.serializeBinary()));
    this.#store.addHistory(instance.key, next.turn, chunk);
    const saved = this.#lifecycle.save(after, next);
    const event = rewound?.serializeBinary() ?? executionRewound(now(), undefined, undefined).event;
    this.#lifecycle.deliver(after, saved, { kind: EventKind.EXECUTIONREWOUND, event });
    this.#redo(after, saved, history, rewound?.getExecutionrewound()?.getReason()?.getValue());
  }

  /** Schedules again whatever the history shows as scheduled and not completed. */
  #redo(
    after: After,
    instance: InstanceRow,
    history: readonly pb.HistoryEvent[],
    reason: string | undefined,
  ): void {
    const answered = new Set(history.map(answeredId));
    for (const event of history) {
      const id = event.getEventid();
      if (answered.has(id)) continue;
      const task = event.getTaskscheduled();
      const timer = event.getTimercreated();
      const child = event.getSuborchestrationinstancecreated();
      if (task) this.#effects.scheduleActivity(after, instance, id, task);
      if (timer) this.#lifecycle.addTimer(after, instance, toMs(timer.getFireat()) ?? 0, id);
      if (child) this.#relinkChild(after, instance, id, child, reason);
    }
  }

  /** Links a child to the new generation. A child that was purged is created again. */
  #relinkChild(
    after: After,
    parent: InstanceRow,
    taskId: number,
    call: ChildCall,
    reason: string | undefined,
  ): void {
    const child = this.#store.instances.byId(parent.hub, call.getInstanceid());
    if (child?.parent?.key !== parent.key) {
      this.#effects.createChild(after, parent, taskId, call);
      return;
    }
    const link = {
      ...child.parent,
      generation: parent.generation,
      executionId: parent.executionId,
    };
    const relinked = { ...child, parent: link };
    this.#store.instances.update(relinked);
    if (child.status === FAILED) this.begin(after, relinked, reason);
    else if (isTerminal(child.status)) this.#lifecycle.reportAgain(after, relinked);
  }
}

/** The id of the action that an event completes; `undefined` if it completes none. */
function answeredId(event: pb.HistoryEvent): number | undefined {
  return (
    event.getTaskcompleted()?.getTaskscheduledid() ??
    event.getTimerfired()?.getTimerid() ??
    event.getSuborchestrationinstancecompleted()?.getTaskscheduledid()
  );
}
