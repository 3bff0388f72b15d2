/** Entities: delivers operations to them, gives batches to workers, and applies the results. */

import { now } from "../clock.ts";
import { storeResult } from "../dispatch/store-result.ts";
import type { UnregisteredWork } from "../dispatch/unregistered-work.ts";
import type { LoadedWork, WorkItem } from "../dispatch/work-item.ts";
import type { Lease, WorkQueue } from "../dispatch/work-queue.ts";
import { entityWorkItem } from "../protocol/framing.ts";
import {
  EventKind,
  entityOperationCompleted,
  entityOperationFailed,
  entityOperationSignaled,
  failureDetails,
} from "../protocol/history-events.ts";
import { pb, stringValue, toMs } from "../protocol/proto.ts";
import { staleToken } from "../protocol/status-errors.ts";
import {
  boundedFailure,
  callProblem,
  entityIdProblem,
  instanceIdProblem,
  payloadProblem,
} from "../protocol/validation.ts";
import type { Entity, EntityMessage, EntityTable, Sender } from "../storage/entity-table.ts";
import type { After, GroupCommit } from "../storage/group-commit.ts";
import type { InstanceRow } from "../storage/instance-table.ts";
import type { Store } from "../storage/store.ts";
import { asMessage, type EntityInbox } from "./entity-inbox.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { Timers } from "./timers.ts";

export interface Signal {
  readonly requestId: string;
  readonly operation: string;
  readonly input: string | undefined;
  readonly dueMs?: number | undefined;
}

export interface EntitiesParts {
  readonly store: Store;
  readonly commit: GroupCommit;
  readonly queue: WorkQueue;
  readonly lifecycle: Lifecycle;
  readonly timers: Timers;
  readonly inbox: EntityInbox;
  readonly unregistered: UnregisteredWork;
}

export class Entities {
  readonly #store: Store;
  readonly #table: EntityTable;
  readonly #commit: GroupCommit;
  readonly #queue: WorkQueue;
  readonly #lifecycle: Lifecycle;
  readonly #timers: Timers;
  readonly #inbox: EntityInbox;
  readonly #unregistered: UnregisteredWork;

  constructor({ store, commit, queue, lifecycle, timers, inbox, unregistered }: EntitiesParts) {
    this.#store = store;
    this.#table = store.entities;
    this.#commit = commit;
    this.#queue = queue;
    this.#lifecycle = lifecycle;
    this.#timers = timers;
    this.#inbox = inbox;
    this.#unregistered = unregistered;
  }

  /** A client's signal. The entity's id has been checked. */
  async signal(hub: number, entityId: string, signal: Signal): Promise<void> {
    await this.#commit.run((after) => this.#signal(after, hub, entityId, signal));
  }

  /** A message from an orchestrator to entities. Their ids have been checked. */
  send(after: After, sender: InstanceRow, message: pb.SendEntityMessageAction): void {
    const { hub } = sender;
    const signaled = message.getEntityoperationsignaled();
    const called = message.getEntityoperationcalled();
    const lock = message.getEntitylockrequested();
    const unlock = message.getEntityunlocksent();
    if (signaled) {
      this.#signal(after, hub, signaled.getTargetinstanceid()?.getValue() ?? "", {
        requestId: signaled.getRequestid(),
        operation: signaled.getOperation(),
        input: signaled.getInput()?.getValue(),
        dueMs: toMs(signaled.getScheduledtime()),
      });
    } else if (called) {
      const event = new pb.HistoryEvent();
      event.setEventid(-1);
      event.setEntityoperationcalled(called);
      const target = called.getTargetinstanceid()?.getValue() ?? "";
      this.#inbox.deliver(after, hub, target, asMessage(event), sender);
    } else if (lock) {
      this.#inbox.requestLock(after, hub, lock, sender);
    } else if (unlock) {
      const target = unlock.getTargetinstanceid()?.getValue() ?? "";
      const entity = this.#table.byId(hub, target);
      const held = entity?.lock?.criticalSectionId === unlock.getCriticalsectionid();
      if (entity && held) this.#inbox.unlock(after, entity);
    }
  }

  /** Fires delayed signals that are due. */
  fireSignals(after: After, nowMs: number, limit: number): void {
    for (const { id, hub, entityId, event } of this.#table.dueSignals(nowMs, limit)) {
      this.#table.removeDelayed(id);
      const message = { kind: EventKind.ENTITYOPERATIONSIGNALED, event };
      this.#inbox.deliver(after, hub, entityId, message, undefined);
    }
  }

  /** Reads the next batch for a worker. */
  load(item: WorkItem): LoadedWork | undefined {
    const entity = this.#table.byKey(item.instanceKey);
    if (!entity) return undefined;
    const messages = this.#inbox.nextBatch(entity, this.#commit.durableId);
    if (messages.length === 0) return undefined;
    const request = new pb.EntityRequest();
    request.setInstanceid(entity.entityId);
    request.setExecutionid(String(entity.key));
    request.setEntitystate(stringValue(entity.state));
    request.setOperationrequestsList(
      messages.map(({ event }) => pb.HistoryEvent.deserializeBinary(event)),
    );
    return { bytes: entityWorkItem(request.serializeBinary()), batch: messages };
  }

  async complete(result: pb.EntityBatchResult): Promise<void> {
    const lease = this.#queue.settle(result.getCompletiontoken(), "entity");
    if (!lease?.batch) throw staleToken();
    const { batch } = lease;
    const failed = result.getResultsList().find((each) => each.hasFailure());
    const failure = result.getFailuredetails() ?? failed?.getFailure()?.getFailuredetails();
    this.#unregistered.inspect(lease, failure);
    // The worker could not run the batch at all, so no operation has happened.
    if (result.hasFailuredetails()) return this.#queue.requeueLater(lease);
    await storeResult(this.#commit, this.#queue, lease, (after) =>
      this.#apply(after, lease, batch, result),
    );
    this.#queue.finish(lease.item);
  }

  #apply(
    after: After,
    { item }: Lease,
    batch: readonly EntityMessage[],
    result: pb.EntityBatchResult,
  ): void {
    const entity = this.#table.byKey(item.instanceKey);
    if (!entity) throw staleToken();
    const state = result.getEntitystate()?.getValue();
    const tooLarge = payloadProblem(`The state of entity '${entity.entityId}'`, state);
    for (const [index, answer] of result.getResultsList().entries()) {
      const message = batch[index];
      if (!message) break;
      this.#table.removeMessage(entity.key, message.seq);
      if (message.sender) this.#answer(after, message, message.sender, answer, tooLarge);
    }
    const updatedMs = Math.max(now(), entity.updatedMs + 1);
    const saved = tooLarge ? entity : { ...entity, state, updatedMs };
    this.#table.update(saved);
    for (const action of tooLarge ? [] : result.getActionsList()) this.#act(after, saved, action);
    this.#inbox.advance(after, saved);
  }

  /** Sends the result of an operation to the orchestration that called it (INSTANCE-2). */
  #answer(
    after: After,
    { event }: EntityMessage,
    sender: Sender,
    answer: pb.OperationResult,
    tooLarge: string | undefined,
  ): void {
    const caller = this.#store.instances.byKey(sender.key);
    if (caller?.generation !== sender.generation) return;
    const called = pb.HistoryEvent.deserializeBinary(event).getEntityoperationcalled();
    const requestId = called?.getRequestid() ?? "";
    const output = answer.getSuccess()?.getResult()?.getValue();
    const problem = tooLarge ?? payloadProblem("The operation's result", output);
    const failure = problem
      ? failureDetails("PayloadTooLarge", problem)
      : boundedFailure(answer.getFailure()?.getFailuredetails());
    const message = failure
      ? entityOperationFailed(now(), requestId, failure)
      : entityOperationCompleted(now(), requestId, output);
    this.#lifecycle.deliver(after, caller, message);
  }

  /** Carries out what an entity asked for. Invalid requests are ignored, and orchestrations whose id is in use. */
  #act(after: After, { hub }: Entity, action: pb.OperationAction): void {
    const signal = action.getSendsignal();
    const start = action.getStartneworchestration();
    if (signal && !entityIdProblem(signal.getInstanceid()) && !callProblem("signal", signal)) {
      this.#signal(after, hub, signal.getInstanceid(), {
        requestId: `${this.#store.nextId()}`,
        operation: signal.getName(),
        input: signal.getInput()?.getValue(),
        dueMs: toMs(signal.getScheduledtime()),
      });
    }
    if (!start || instanceIdProblem(start.getInstanceid())) return;
    if (callProblem("orchestration", start)) return;
    if (this.#store.instances.byId(hub, start.getInstanceid())) return;
    this.#lifecycle.create(after, {
      hub,
      instanceId: start.getInstanceid(),
      name: start.getName(),
      version: start.getVersion()?.getValue(),
      input: start.getInput()?.getValue(),
      startMs: toMs(start.getScheduledtime()),
      tags: new Map(),
      traceContext: start.getParenttracecontext(),
    });
  }

  #signal(after: After, hub: number, entityId: string, signal: Signal): void {
    const message = entityOperationSignaled(now(), entityId, signal);
    const { dueMs } = signal;
    if (dueMs === undefined || dueMs <= now()) {
      this.#inbox.deliver(after, hub, entityId, message, undefined);
      return;
    }
    this.#table.addDelayed({
      id: this.#store.nextId(),
      dueMs,
      hub,
      entityId,
      event: message.event,
    });
    after(() => this.#timers.added(dueMs));
  }
}
