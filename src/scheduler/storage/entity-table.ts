/** The rows of entities: state, lock, and messages that are not handled yet. */
import type { DatabaseSync, SQLOutputValue } from "node:sqlite";
import type { Message } from "../protocol/history-events.ts";

export interface Entity {
  readonly key: number;
  readonly hub: number;
  /** `@name@key` */
  readonly entityId: string;
  /** Absent: none was set yet, or it was deleted. */
  readonly state: string | undefined;
  readonly updatedMs: number;
  readonly lock: EntityLock | undefined;
}

export interface EntityLock {
  /** The key of the orchestration that holds the lock. */
  readonly holderKey: number;
  readonly holderId: string;
  readonly criticalSectionId: string;
}

/** The orchestration that a message came from; a signal has none. */
export interface Sender {
  readonly key: number;
  readonly generation: number;
}

export interface EntityMessage extends Message {
  readonly seq: number;
  readonly sender: Sender | undefined;
}

export interface DelayedSignal {
  readonly id: number;
  readonly dueMs: number;
  readonly hub: number;
  readonly entityId: string;
  readonly event: Uint8Array;
}

export interface EntityFilter {
  readonly hub: number;
  readonly idPrefix: string;
  /** Only ids after this one. */
  readonly afterId: string;
  readonly modifiedFromMs: number;
  /** Exclusive. */
  readonly modifiedToMs: number;
  /** Includes entities without a state. */
  readonly transient: boolean;
}

export class EntityTable {
  readonly #sql;

  constructor(db: DatabaseSync) {
    this.#sql = prepare(db);
  }

  byKey(key: number): Entity | undefined {
    const row = this.#sql.byKey.get(key);
    return row && toEntity(row);
  }

  byId(hub: number, entityId: string): Entity | undefined {
    const row = this.#sql.byId.get(hub, entityId);
    return row && toEntity(row);
  }

  lockedBy(holderKey: number): Entity[] {
    return this.#sql.lockedBy.all(holderKey).map(toEntity);
  }

  insert({ key, hub, entityId, updatedMs }: Entity): void {
    this.#sql.insert.run(key, hub, entityId, updatedMs);
  }

  update({ key, state, updatedMs, lock }: Entity): void {
    const { holderKey = null, holderId = null, criticalSectionId = null } = lock ?? {};
    this.#sql.update.run(state ?? null, updatedMs, holderKey, holderId, criticalSectionId, key);
  }

  remove(key: number): void {
    this.#sql.remove.run(key);
  }

  /** In the order of their ids. The rows, which may be large, are read one by one. */
  *query(filter: EntityFilter, limit: number): Generator<Entity> {
    const { hub, idPrefix, afterId, modifiedFromMs, modifiedToMs, transient } = filter;
    const last = `${idPrefix}\u{10ffff}`;
    const range = [hub, idPrefix, last, afterId, modifiedFromMs, modifiedToMs] as const;
    for (const row of this.#sql.query.iterate(...range, transient ? 1 : 0, limit)) {
      yield toEntity(row);
    }
  }

  addMessage(entityKey: number, seq: number, message: Message, sender: Sender | undefined): void {
    const { key = null, generation = null } = sender ?? {};
    this.#sql.addMessage.run(entityKey, seq, message.kind, key, generation, message.event);
  }

  firstMessage(entityKey: number): EntityMessage | undefined {
    return this.messages(entityKey, Number.MAX_SAFE_INTEGER, 1)[0];
  }

  /** Oldest first, up to and including `lastSeq`. */
  messages(entityKey: number, lastSeq: number, limit: number): EntityMessage[] {
    return this.#sql.messages.all(entityKey, lastSeq, limit).map(toMessage);
  }

  messagesFrom(
    entityKey: number,
    senderKey: number,
    lastSeq: number,
    limit: number,
  ): EntityMessage[] {
    return this.#sql.messagesFrom.all(entityKey, senderKey, lastSeq, limit).map(toMessage);
  }

  removeMessage(entityKey: number, seq: number): void {
    this.#sql.removeMessage.run(entityKey, seq);
  }

  countMessages(entityKey: number): number {
    return Number(this.#sql.countMessages.get(entityKey)?.n);
  }

  addDelayed({ id, dueMs, hub, entityId, event }: DelayedSignal): void {
    this.#sql.addDelayed.run(id, dueMs, hub, entityId, event);
  }

  dueSignals(nowMs: number, limit: number): DelayedSignal[] {
    return this.#sql.dueSignals.all(nowMs, limit).map((row) => ({
      id: Number(row.id),
      dueMs: Number(row.due_ms),
      hub: Number(row.hub),
      entityId: String(row.entity_id),
      event: row.event as Uint8Array,
    }));
  }

  removeDelayed(id: number): void {
    this.#sql.removeDelayed.run(id);
  }

  nextDueMs(): number | undefined {
    const due = this.#sql.nextDue.get()?.due_ms;
    return typeof due === "number" ? due : undefined;
  }

  /** Entities with messages, for the queue of a new process. */
  withMessages(): Entity[] {
    return this.#sql.withMessages.all().map(toEntity);
  }
}

type Row = Record<string, SQLOutputValue>;

function toEntity(row: Row): Entity {
  return {
    key: Number(row.key),
    hub: Number(row.hub),
    entityId: String(row.entity_id),
    state: row.state === null ? undefined : String(row.state),
    updatedMs: Number(row.updated_ms),
    lock:
      row.lock_key === null
        ? undefined
        : {
            holderKey: Number(row.lock_key),
            holderId: String(row.lock_instance_id),
            criticalSectionId: String(row.lock_section),
          },
  };
}

function toMessage(row: Row): EntityMessage {
  return {
    seq: Number(row.seq),
    kind: Number(row.kind),
    event: row.event as Uint8Array,
    sender:
      row.sender_key === null
        ? undefined
        : { key: Number(row.sender_key), generation: Number(row.sender_generation) },
  };
}

function prepare(db: DatabaseSync) {
  const inbox = "SELECT seq, kind, sender_key, sender_generation, event FROM entity_inbox";
  return {
    byKey: db.prepare("SELECT * FROM entities WHERE key = ?"),
    byId: db.prepare("SELECT * FROM entities WHERE hub = ? AND entity_id = ?"),
    lockedBy: db.prepare("SELECT * FROM entities WHERE lock_key = ?"),
    insert: db.prepare(
      "INSERT INTO entities (key, hub, entity_id, updated_ms) VALUES (?, ?, ?, ?)",
    ),
    update: db.prepare(
      `UPDATE entities SET state = ?, updated_ms = ?, lock_key = ?, lock_instance_id = ?, lock_section = ?
        WHERE key = ?`,
    ),
    remove: db.prepare("DELETE FROM entities WHERE key = ?"),
    query: db.prepare(
      `SELECT * FROM entities WHERE hub = ? AND entity_id >= ? AND entity_id < ? AND entity_id > ?
        AND updated_ms >= ? AND updated_ms < ? AND (state IS NOT NULL OR ?) ORDER BY entity_id LIMIT ?`,
    ),
    addMessage: db.prepare(
      `INSERT INTO entity_inbox (entity_key, seq, kind, sender_key, sender_generation, event)
        VALUES (?, ?, ?, ?, ?, ?)`,
    ),
    messages: db.prepare(`${inbox} WHERE entity_key = ? AND seq <= ? ORDER BY seq LIMIT ?`),
    messagesFrom: db.prepare(
      `${inbox} WHERE entity_key = ? AND sender_key = ? AND seq <= ? ORDER BY seq LIMIT ?`,
    ),
    removeMessage: db.prepare("DELETE FROM entity_inbox WHERE entity_key = ? AND seq = ?"),
    countMessages: db.prepare("SELECT count(*) AS n FROM entity_inbox WHERE entity_key = ?"),
    addDelayed: db.prepare(
      "INSERT INTO delayed_signals (id, due_ms, hub, entity_id, event) VALUES (?, ?, ?, ?, ?)",
    ),
    dueSignals: db.prepare(
      "SELECT * FROM delayed_signals WHERE due_ms <= ? ORDER BY due_ms, id LIMIT ?",
    ),
    removeDelayed: db.prepare("DELETE FROM delayed_signals WHERE id = ?"),
    nextDue: db.prepare("SELECT min(due_ms) AS due_ms FROM delayed_signals"),
    withMessages: db.prepare(
      "SELECT * FROM entities WHERE key IN (SELECT DISTINCT entity_key FROM entity_inbox) ORDER BY key",
    ),
  };
}
