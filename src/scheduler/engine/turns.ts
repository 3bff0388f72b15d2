/**
 * Orchestrator turns: loads them for workers and applies their results.
 *
 *   TURN-1. All effects of a turn are stored together or not at all, and once.
 *   TURN-2. The history of a turn is: the events that the orchestrator received, then its actions.
 *   TURN-3. A turn receives only durable messages, and its completion removes exactly those.
 *   TURN-4. A message that a turn leaves in the inbox queues another turn.
 */

import { now } from "../clock.ts";
import { storeResult } from "../dispatch/store-result.ts";
import type { UnregisteredWork } from "../dispatch/unregistered-work.ts";
import type { LeasedTurn, LoadedWork, WorkItem } from "../dispatch/work-item.ts";
import type { WorkQueue } from "../dispatch/work-queue.ts";
import { historyChunk, orchestratorWorkItem } from "../protocol/framing.ts";
import {
  EventKind,
  executionCompleted,
  failureDetails,
  orchestratorStarted,
} from "../protocol/history-events.ts";
import { Duration, pb, stringValue } from "../protocol/proto.ts";
import { FAILED, isTerminal, RUNNING, SUSPENDED, TERMINATED } from "../protocol/status.ts";
import { staleToken } from "../protocol/status-errors.ts";
import { boundedFailure, traceContextProblem } from "../protocol/validation.ts";
import type { FileHealth } from "../storage/file-health.ts";
import type { After, GroupCommit } from "../storage/group-commit.ts";
import type { InstanceRow } from "../storage/instance-table.ts";
import type { Store } from "../storage/store.ts";
import type { Activities } from "./activities.ts";
import { continueAsNew } from "./continue-as-new.ts";
import type { Entities } from "./entities.ts";
import type { Lifecycle, Outcome } from "./lifecycle.ts";
import type { Rewind } from "./rewind.ts";
import type { TurnEffects } from "./turn-effects.ts";
import { planTurn, suspensionAfter, type TurnPlan, UnacceptableTurnError } from "./turn-plan.ts";

export interface TurnParts {
  readonly store: Store;
  readonly commit: GroupCommit;
  readonly queue: WorkQueue;
  readonly lifecycle: Lifecycle;
  readonly effects: TurnEffects;
  readonly rewind: Rewind;
  readonly activities: Activities;
  readonly entities: Entities;
  readonly unregistered: UnregisteredWork;
  readonly health: FileHealth;
}

export class Turns {
  readonly #store: Store;
  readonly #commit: GroupCommit;
  readonly #queue: WorkQueue;
  readonly #lifecycle: Lifecycle;
  readonly #effects: TurnEffects;
  readonly #rewind: Rewind;
  readonly #activities: Activities;
  readonly #entities: Entities;
  readonly #unregistered: UnregisteredWork;
  readonly #health: FileHealth;

  constructor({
    store,
    commit,
    queue,
    lifecycle,
    effects,
    rewind,
    activities,
    entities,
    unregistered,
    health,
  }: TurnParts) {
    this.#store = store;
    this.#commit = commit;
    this.#queue = queue;
    this.#lifecycle = lifecycle;
    this.#effects = effects;
    this.#rewind = rewind;
    this.#activities = activities;
    this.#entities = entities;
    this.#unregistered = unregistered;
    this.#health = health;
  }

  /** Reads an item from the file, in the form that a worker needs. */
  load(item: WorkItem): LoadedWork | undefined {
    let work: LoadedWork | undefined;
    try {
      work = this.#read(item);
    } catch (error) {
      this.#health.failed(error);
      this.#queue.addLater(item);
      return undefined;
    }
    // The change that ended the item may not be durable yet. If it fails, the item must be done.
    if (!work && !item.rechecked && this.#commit.busy) {
      const again = () => this.#queue.add({ ...item, rechecked: true });
      this.#commit.settled().then(again, again);
    }
    return work;
  }

  #read(item: WorkItem): LoadedWork | undefined {
    if (item.kind === "turn") return this.#loadTurn(item);
    return item.kind === "activity" ? this.#activities.load(item) : this.#entities.load(item);
  }

  #loadTurn(item: WorkItem): LoadedWork | undefined {
    const instance = this.#store.instances.byKey(item.instanceKey);
    if (!instance || isTerminal(instance.status)) return undefined;
    let inbox = this.#store.messages(instance.key, this.#commit.durableId); // TURN-3
    if (inbox[0]?.kind === EventKind.EXECUTIONREWOUND) inbox = inbox.slice(0, 1); // see rewind.ts
    const last = inbox.at(-1);
    if (!last) return undefined;
    const messages = [orchestratorStarted(now()), ...inbox];
    return {
      bytes: orchestratorWorkItem(
        requestHead(instance),
        this.#store.history(instance.key),
        messages.map(({ event }) => event),
      ),
      turn: { generation: instance.generation, lastSeq: last.seq, messages },
    };
  }

  async complete(response: pb.OrchestratorResponse): Promise<void> {
    const token = response.getCompletiontoken();
    if (response.getIspartial()) return this.#addPart(token, response);
    const lease = this.#queue.settle(token, "turn");
    if (!lease?.turn) throw staleToken();
    response.setActionsList([...lease.parts, ...response.getActionsList()]);
    const { item, turn } = lease;
    const end = response.getActionsList().find((action) => action.hasCompleteorchestration());
    this.#unregistered.inspect(lease, end?.getCompleteorchestration()?.getFailuredetails());
    await storeResult(this.#commit, this.#queue, lease, (after) => {
      const instance = this.#store.instances.byKey(item.instanceKey);
      // Purged or terminated by force meanwhile, so this turn must not change anything.
      if (instance?.generation !== turn.generation || isTerminal(instance.status))
        throw staleToken();
      this.#apply(after, instance, turn, response);
      this.#queueLeftover(after, item);
    });
    this.#queue.finish(item);
  }

  /** Parts are kept with the lease. If it ends, the whole turn is done again. */
  #addPart(token: string, response: pb.OrchestratorResponse): void {
    const lease = this.#queue.lease(token, "turn");
    if (!lease) throw staleToken();
    for (const action of response.getActionsList()) lease.parts.push(action);
  }

  #apply(
    after: After,
    before: InstanceRow,
    turn: LeasedTurn,
    response: pb.OrchestratorResponse,
  ): void {
    this.#store.removeMessages(before.key, turn.lastSeq);
    const rewind = response.getActionsList().find((a) => a.hasRewindorchestration());
    if (rewind) {
      this.#rewind.apply(
        after,
        before,
        rewind.getRewindorchestration() as pb.RewindOrchestrationAction,
      );
      return;
    }
    const trace = response.getOrchestrationtracecontext();
    const instance: InstanceRow = {
      ...before,
      status: statusAfter(before, turn),
      customStatus: response.getCustomstatus()?.getValue() ?? before.customStatus,
      traceContext: traceContextProblem(trace)
        ? before.traceContext
        : (trace?.serializeBinary() ?? before.traceContext),
      turn: before.turn + 1,
    };
    let plan: TurnPlan;
    try {
      plan = planTurn(response, now());
    } catch (error) {
      if (!(error instanceof UnacceptableTurnError)) throw error;
      const failure = failureDetails(error.errorType, error.message);
      const unchanged = { ...instance, customStatus: before.customStatus };
      this.#end(after, unchanged, turn, [], -1, { status: FAILED, output: undefined, failure });
      return;
    }
    this.#effects.carryOut(after, instance, plan);
    const { end } = plan;
    if (end.kind === "continues") {
      continueAsNew(after, this.#store, this.#lifecycle, instance, turn, end.action);
    } else if (end.kind === "ends") {
      this.#end(after, instance, turn, plan.confirmations, end.eventId, {
        status: end.action.getOrchestrationstatus(),
        output: end.action.getResult()?.getValue(),
        failure: boundedFailure(end.action.getFailuredetails()),
      });
    } else {
      this.#append(instance, turn, plan.confirmations);
      this.#lifecycle.save(after, instance);
    }
  }

  /** A turn may have received only a part of its inbox; the rest makes the next turn (TURN-4). */
  #queueLeftover(after: After, item: WorkItem): void {
    if (!this.#store.hasMessages(item.instanceKey)) return;
    const instance = this.#store.instances.byKey(item.instanceKey);
    if (instance) this.#lifecycle.ready(after, instance);
  }

  #append(instance: InstanceRow, turn: LeasedTurn, decided: readonly Uint8Array[]): void {
    const received = turn.messages.map(({ event }) => event);
    this.#store.addHistory(instance.key, instance.turn, historyChunk([...received, ...decided])); // TURN-2
  }

  #end(
    after: After,
    instance: InstanceRow,
    turn: LeasedTurn,
    decided: readonly Uint8Array[],
    eventId: number,
    outcome: Outcome,
  ): void {
    this.#append(instance, turn, [...decided, executionCompleted(now(), eventId, outcome)]);
    this.#lifecycle.finish(after, instance, outcome);
    if (outcome.status !== TERMINATED) return;
    const terminated = turn.messages.find(({ kind }) => kind === EventKind.EXECUTIONTERMINATED);
    const request = terminated && pb.HistoryEvent.deserializeBinary(terminated.event);
    if (request?.getExecutionterminated()?.getRecurse()) {
      this.#lifecycle.terminateChildren(after, instance, outcome.output);
    }
  }
}

/** Lets workers use entities; their messages need no reordering. */
const ENTITIES_IN_ORDER = new pb.OrchestratorEntityParameters();
ENTITIES_IN_ORDER.setEntitymessagereorderwindow(new Duration());

function requestHead(instance: InstanceRow): Uint8Array {
  const head = new pb.OrchestratorRequest();
  head.setInstanceid(instance.instanceId);
  head.setExecutionid(stringValue(instance.executionId));
  head.setEntityparameters(ENTITIES_IN_ORDER);
  if (instance.traceContext) {
    const trace = pb.OrchestrationTraceContext.deserializeBinary(instance.traceContext);
    head.setOrchestrationtracecontext(trace);
  }
  return head.serializeBinary();
}

function statusAfter(before: InstanceRow, turn: LeasedTurn): number {
  const suspended = suspensionAfter(turn.messages) ?? before.status === SUSPENDED;
  return suspended ? SUSPENDED : RUNNING;
}
