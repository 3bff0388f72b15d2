/**
 * The inboxes of entities: which messages are handled next, and which orchestration holds the lock.
 *
 *   ENTITY-1. An entity handles its messages in the order of arrival, one batch at a time.
 *   ENTITY-2. A lock is granted when all earlier messages are handled and the entity is not locked.
 *             While it is locked, only calls of the lock's holder are handled.
 *   ENTITY-3. The entities of a lock set are locked one after the other, in the set's order, so that
 *             two sets cannot deadlock.
 *   ENTITY-4. An orchestration that ends or continues as new holds no lock.
 *   ENTITY-5. An entity without state, lock and messages is removed.
 */

import { now } from "../clock.ts";
import type { WorkItem } from "../dispatch/work-item.ts";
import type { WorkQueue } from "../dispatch/work-queue.ts";
import { EventKind, entityLockGranted, type Message } from "../protocol/history-events.ts";
import { pb } from "../protocol/proto.ts";
import { isTerminal } from "../protocol/status.ts";
import type { Entity, EntityMessage, EntityTable, Sender } from "../storage/entity-table.ts";
import type { After } from "../storage/group-commit.ts";
import type { Store } from "../storage/store.ts";
import type { Lifecycle } from "./lifecycle.ts";

/** Limit of operations in one batch. */
const BATCH = 100;

export class EntityInbox {
  readonly #store: Store;
  readonly #table: EntityTable;
  readonly #queue: WorkQueue;
  readonly #lifecycle: Lifecycle;

  constructor(store: Store, queue: WorkQueue, lifecycle: Lifecycle) {
    this.#store = store;
    this.#table = store.entities;
    this.#queue = queue;
    this.#lifecycle = lifecycle;
  }

  requestLock(after: After, hub: number, lock: pb.EntityLockRequestedEvent, sender: Sender): void {
    const event = new pb.HistoryEvent();
    event.setEventid(-1);
    event.setEntitylockrequested(lock);
    const target = lock.getLocksetList()[lock.getPosition()] ?? "";
    this.deliver(after, hub, target, asMessage(event), sender);
  }

  deliver(
    after: After,
    hub: number,
    entityId: string,
    message: Message,
    sender: Sender | undefined,
  ): void {
    const entity = this.#table.byId(hub, entityId) ?? this.#create(hub, entityId);
    this.#table.addMessage(entity.key, this.#store.nextId(), message, sender);
    this.advance(after, entity);
  }

  #create(hub: number, entityId: string): Entity {
    const key = this.#store.nextId();
    const entity = { key, hub, entityId, state: undefined, updatedMs: now(), lock: undefined };
    this.#table.insert(entity);
    return entity;
  }

  unlock(after: After, entity: Entity): void {
    const freed = { ...entity, lock: undefined };
    this.#table.update(freed);
    this.advance(after, freed);
  }

  /** Queues a batch or grants a lock, whichever is next in the inbox (ENTITY-1, ENTITY-2). */
  advance(after: After, entity: Entity): void {
    if (entity.lock) {
      if (this.nextBatch(entity, Number.MAX_SAFE_INTEGER).length > 0) this.#ready(after, entity);
      return;
    }
    const head = this.#table.firstMessage(entity.key);
    if (head?.kind === EventKind.ENTITYLOCKREQUESTED) this.#grant(after, entity, head);
    else if (head) this.#ready(after, entity);
    else if (entity.state === undefined) this.#table.remove(entity.key); // ENTITY-5
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
      this.advance(after, entity); // the orchestration has ended or continued as new
      return;
    }
    const criticalSectionId = lock.getCriticalsectionid();
    const held = { holderKey: holder.key, holderId: holder.instanceId, criticalSectionId };
    this.#table.update({ ...entity, lock: held });
    const next = lock.getPosition() + 1;
    if (next < lock.getLocksetList().length) {
      lock.setPosition(next);
      this.requestLock(after, entity.hub, lock, {
        key: holder.key,
        generation: holder.generation,
      }); // ENTITY-3
    } else {
      this.#lifecycle.deliver(after, holder, entityLockGranted(now(), criticalSectionId));
    }
  }

  /** The messages that may be handled now: the lock holder's calls, or all up to the next lock request. */
  nextBatch({ key, lock }: Entity, lastSeq: number): EntityMessage[] {
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

  /** Releases all locks that an orchestration holds (ENTITY-4). */
  releaseLocks(after: After, instanceKey: number): void {
    for (const entity of this.#table.lockedBy(instanceKey)) this.unlock(after, entity);
  }
}

export function entityWork(hub: number, key: number, entityId: string): WorkItem {
  const name = entityId.split("@")[1] ?? "";
  return { kind: "entity", hub, instanceKey: key, id: 0, name, version: undefined };
}

export function asMessage(event: pb.HistoryEvent): Message {
  return { kind: event.getEventtypeCase(), event: event.serializeBinary() };
}
