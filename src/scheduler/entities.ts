/**
 * Entities: operations in order, one batch at a time, and locks over several of them.
 *
 *   N1. An entity handles its messages in the order of their arrival, one batch at a time.
 *   N2. A lock is granted when everything before its request is done and nobody holds the entity.
 *       While it is held, only the holder's calls are handled.
 *   N3. The entities of a lock set are taken one after the other, in the order the set is sorted in,
 *       so that two sets cannot wait for each other.
 *   N4. An orchestration that ends, or starts anew, holds no lock.
 *   N5. An entity without state, lock and messages does not exist.
 */
import { invalid, staleToken } from "./errors.ts";
import type { After, GroupCommit } from "./group-commit.ts";
import {
  EventKind,
  entityLockGranted,
  entityOperationCompleted,
  entityOperationFailed,
  entityOperationSignaled,
  failureDetails,
  type Message,
} from "./history-events.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { pb, stringValue, toMs } from "./proto.ts";
import { isTerminal } from "./status.ts";
import type { Store } from "./store.ts";
import type { Entity, EntityMessage, EntityTable, Sender } from "./store-entities.ts";
import type { Instance } from "./store-instances.ts";
import type { Timers } from "./timers.ts";
import { entityIdProblem, instanceIdProblem, payloadProblem } from "./validation.ts";
import { entityWorkItem } from "./wire.ts";
import type { Lease, LoadedWork, WorkItem, WorkQueue } from "./work-queue.ts";

/** Operations that a worker is given at once. */
const BATCH = 100;

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
}

export class Entities {
  readonly #store: Store;
  readonly #table: EntityTable;
  readonly #commit: GroupCommit;
  readonly #queue: WorkQueue;
  readonly #lifecycle: Lifecycle;
  readonly #timers: Timers;

  constructor({ store, commit, queue, lifecycle, timers }: EntitiesParts) {
    this.#store = store;
    this.#table = store.entities;
    this.#commit = commit;
    this.#queue = queue;
    this.#lifecycle = lifecycle;
    this.#timers = timers;
  }

  /** A client's signal. */
  async signal(hub: number, entityId: string, signal: Signal): Promise<void> {
    const problem = entityIdProblem(entityId);
    if (problem) throw invalid(problem);
    await this.#commit.run((after) => this.#signal(after, hub, entityId, signal));
  }

  /** What an orchestrator sends to entities; its ids have been checked. */
  send(after: After, sender: Instance, message: pb.SendEntityMessageAction): void {
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
      this.#deliver(after, hub, target, asMessage(event), sender);
    } else if (lock) {
      this.#requestLock(after, hub, lock, sender);
    } else if (unlock) {
      const target = unlock.getTargetinstanceid()?.getValue() ?? "";
      const entity = this.#table.byId(hub, target);
      const held = entity?.lock?.criticalSectionId === unlock.getCriticalsectionid();
      if (entity && held) this.#unlock(after, entity);
    }
  }

  /** N4 */
  releaseLocks(after: After, instanceKey: number): void {
    for (const entity of this.#table.lockedBy(instanceKey)) this.#unlock(after, entity);
  }

  /** Fires delayed signals that are due. */
  fireSignals(after: After, nowMs: number, limit: number): void {
    for (const { id, hub, entityId, event } of this.#table.dueSignals(nowMs, limit)) {
      this.#table.removeDelayed(id);
      const message = { kind: EventKind.ENTITYOPERATIONSIGNALED, event };
      this.#deliver(after, hub, entityId, message, undefined);
    }
  }

  /** Reads the next batch for a worker. */
  load(item: WorkItem): LoadedWork | undefined {
    const entity = this.#table.byKey(item.instanceKey);
    if (!entity) return undefined;
    const messages = this.#nextBatch(entity, this.#commit.durableId);
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
    // The worker could not run the batch at all; none of its operations has happened.
    if (result.hasFailuredetails()) return this.#queue.giveBackLater(lease);
    try {
      await this.#commit.run((after) => this.#apply(after, lease, batch, result));
    } catch (error) {
      this.#queue.giveBackLater(lease);
      throw error;
    }
    this.#queue.finishTurn(lease.item);
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
    const saved = tooLarge ? entity : this.#save({ ...entity, state });
    for (const action of tooLarge ? [] : result.getActionsList()) this.#act(after, saved, action);
    this.#advance(after, saved);
  }

  /** Tells the caller of an operation how it went (L2). */
  #answer(
    after: After,
    { event }: EntityMessage,
    sender: Sender,
    answer: pb.OperationResult,
    problem: string | undefined,
  ): void {
    const caller = this.#store.instances.byKey(sender.key);
    if (caller?.generation !== sender.generation) return;
    const called = pb.HistoryEvent.deserializeBinary(event).getEntityoperationcalled();
    const requestId = called?.getRequestid() ?? "";
    const failure = problem
      ? failureDetails("PayloadTooLarge", problem)
      : answer.getFailure()?.getFailuredetails();
    const output = answer.getSuccess()?.getResult()?.getValue();
    const message = failure
      ? entityOperationFailed(Date.now(), requestId, failure)
      : entityOperationCompleted(Date.now(), requestId, output);
    this.#lifecycle.deliver(after, caller, message);
  }

  /** What an entity asked for; an invalid or taken id of an orchestration is passed over. */
  #act(after: After, { hub }: Entity, action: pb.OperationAction): void {
    const signal = action.getSendsignal();
    const start = action.getStartneworchestration();
    if (signal && !entityIdProblem(signal.getInstanceid())) {
      this.#signal(after, hub, signal.getInstanceid(), {
        requestId: `${this.#store.nextId()}`,
        operation: signal.getName(),
        input: signal.getInput()?.getValue(),
        dueMs: toMs(signal.getScheduledtime()),
      });
    }
    if (!start || instanceIdProblem(start.getInstanceid())) return;
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
    const message = entityOperationSignaled(Date.now(), entityId, signal);
    const { dueMs } = signal;
    if (dueMs === undefined || dueMs <= Date.now()) {
      this.#deliver(after, hub, entityId, message, undefined);
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

  #requestLock(after: After, hub: number, lock: pb.EntityLockRequestedEvent, sender: Sender): void {
    const event = new pb.HistoryEvent();
    event.setEventid(-1);
    event.setEntitylockrequested(lock);
    const target = lock.getLocksetList()[lock.getPosition()] ?? "";
    this.#deliver(after, hub, target, asMessage(event), sender);
  }

  #deliver(
    after: After,
    hub: number,
    entityId: string,
    message: Message,
    sender: Sender | undefined,
  ): void {
    const entity = this.#table.byId(hub, entityId) ?? this.#create(hub, entityId);
    this.#table.addMessage(entity.key, this.#store.nextId(), message, sender);
    this.#advance(after, entity);
  }

  #create(hub: number, entityId: string): Entity {
    const key = this.#store.nextId();
    const entity = { key, hub, entityId, state: undefined, updatedMs: Date.now(), lock: undefined };
    this.#table.insert(entity);
    return entity;
  }

  #save(entity: Entity): Entity {
    const saved = { ...entity, updatedMs: Math.max(Date.now(), entity.updatedMs + 1) };
    this.#table.update(saved);
    return saved;
  }

  #unlock(after: After, entity: Entity): void {
    this.#advance(after, this.#save({ ...entity, lock: undefined }));
  }

  /** Does what the head of the inbox asks for (N1, N2). */
  #advance(after: After, entity: Entity): void {
    if (entity.lock) {
      if (this.#nextBatch(entity, Number.MAX_SAFE_INTEGER).length > 0) this.#ready(after, entity);
      return;
    }
    const head = this.#table.firstMessage(entity.key);
    if (head?.kind === EventKind.ENTITYLOCKREQUESTED) this.#grant(after, entity, head);
    else if (head) this.#ready(after, entity);
    else if (entity.state === undefined) this.#table.remove(entity.key); // N5
  }

  #grant(after: After, entity: Entity, request: EntityMessage): void {
    this.#table.removeMessage(entity.key, request.seq);
    const { sender } = request;
    const holder = sender && this.#store.instances.byKey(sender.key);
    const lock = pb.HistoryEvent.deserializeBinary(request.event).getEntitylockrequested();
    if (
      !lock ||
      holder?.generation !== sender?.generation ||
      !holder ||
      isTerminal(holder.status)
    ) {
      this.#advance(after, entity); // whoever asked has gone
      return;
    }
    const criticalSectionId = lock.getCriticalsectionid();
    const held = { holderKey: holder.key, holderId: holder.instanceId, criticalSectionId };
    this.#save({ ...entity, lock: held });
    const next = lock.getPosition() + 1;
    if (next < lock.getLocksetList().length) {
      lock.setPosition(next);
      this.#requestLock(after, entity.hub, lock, {
        key: holder.key,
        generation: holder.generation,
      }); // N3
    } else {
      this.#lifecycle.deliver(after, holder, entityLockGranted(Date.now(), criticalSectionId));
    }
  }

  /** The messages that may be handled now: the holder's calls, or all up to the next lock request. */
  #nextBatch({ key, lock }: Entity, lastSeq: number): EntityMessage[] {
    if (lock) {
      return this.#table
        .messagesFrom(key, lock.holderKey, lastSeq, BATCH)
        .filter(({ kind }) => kind === EventKind.ENTITYOPERATIONCALLED);
    }
    const messages = this.#table.messages(key, lastSeq, BATCH);
    const barrier = messages.findIndex(({ kind }) => kind === EventKind.ENTITYLOCKREQUESTED);
    return barrier < 0 ? messages : messages.slice(0, barrier);
  }

  #ready(after: After, { hub, key, entityId }: Entity): void {
    after(() => this.#queue.add(entityWork(hub, key, entityId)));
  }
}

export function entityWork(hub: number, key: number, entityId: string): WorkItem {
  const name = entityId.split("@")[1] ?? "";
  return { kind: "entity", hub, instanceKey: key, id: 0, name, version: undefined };
}

function asMessage(event: pb.HistoryEvent): Message {
  return { kind: event.getEventtypeCase(), event: event.serializeBinary() };
}
