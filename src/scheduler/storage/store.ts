/** The tables besides those of instances and entities: inboxes, history, activities, timers, hubs. */

import type { DatabaseSync } from "node:sqlite";
import { now } from "../clock.ts";
import type { Message } from "../protocol/history-events.ts";
import { ACTIVE_STATUSES } from "../protocol/status.ts";
import { EntityTable } from "./entity-table.ts";
import { InstanceTable } from "./instance-table.ts";

export interface InboxMessage extends Message {
  readonly seq: number;
}

export interface PendingActivity {
  readonly instanceKey: number;
  readonly id: number;
  readonly hub: number;
  readonly generation: number;
  readonly taskId: number;
  readonly name: string;
  readonly version: string | undefined;
  /** Serialized `ActivityRequest`. */
  readonly request: Uint8Array;
}

export interface PendingTimer {
  readonly instanceKey: number;
  readonly id: number;
  readonly dueMs: number;
  readonly generation: number;
  /** `undefined`: the scheduled start of the instance, rather than a timer of the orchestrator. */
  readonly timerId: number | undefined;
}

export interface StoredTurn {
  readonly turn: number;
  /** A fragment of history, as `historyChunk` makes it. */
  readonly events: Uint8Array;
}

/** Ids start from the time of the process's start in these units, so that ids of deleted rows are not used again. */
const IDS_PER_MS = 1000;

export class Store {
  readonly instances: InstanceTable;
  readonly entities: EntityTable;
  readonly #sql;
  #lastId: number;

  constructor(db: DatabaseSync) {
    this.instances = new InstanceTable(db);
    this.entities = new EntityTable(db);
    this.#sql = prepare(db);
    const highest = Number(this.#sql.highestId.get()?.id ?? 0);
    this.#lastId = Math.max(highest, now() * IDS_PER_MS);
  }

  get lastId(): number {
    return this.#lastId;
  }

  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  /** The newest date of an instance; 0 while there is none. Terminal ones do not change any more. */
  newestDateMs(): number {
    return Number(this.#sql.newestDate.get()?.ms ?? 0);
  }

  hubs(): Map<string, number> {
    return new Map(this.#sql.hubs.all().map((row) => [String(row.name), Number(row.id)]));
  }

  addHub(id: number, name: string): void {
    this.#sql.addHub.run(id, name);
  }

  addMessage(instanceKey: number, message: Message): void {
    this.#sql.addMessage.run(instanceKey, this.nextId(), message.kind, message.event);
  }

  /** Oldest first, up to and including `lastSeq`. */
  messages(instanceKey: number, lastSeq: number): InboxMessage[] {
    return this.#sql.messages.all(instanceKey, lastSeq).map((row) => ({
      seq: Number(row.seq),
      kind: Number(row.kind),
      event: row.event as Uint8Array,
    }));
  }

  hasMessages(instanceKey: number): boolean {
    return this.#sql.hasMessages.get(instanceKey) !== undefined;
  }

  removeMessages(instanceKey: number, lastSeq: number): void {
    this.#sql.removeMessages.run(instanceKey, lastSeq);
  }

  addHistory(instanceKey: number, turn: number, events: Uint8Array): void {
    this.#sql.addHistory.run(instanceKey, turn, events);
  }

  history(instanceKey: number): Uint8Array[] {
    return this.#sql.history.all(instanceKey).map((row) => row.events as Uint8Array);
  }

  /** Turns after `after` up to `to`: at least one, and as many as fit into `bytes`. */
  historyPage(instanceKey: number, after: number, to: number, bytes: number): StoredTurn[] {
    const page: StoredTurn[] = [];
    let left = bytes;
    for (const row of this.#sql.historyPage.iterate(instanceKey, after, to)) {
      const events = row.events as Uint8Array;
      page.push({ turn: Number(row.turn), events });
      left -= events.length;
      if (left <= 0) break;
    }
    return page;
  }

  removeHistory(instanceKey: number): void {
    this.#sql.removeHistory.run(instanceKey);
  }

  addActivity(activity: PendingActivity): void {
    const { instanceKey, id, hub, generation, taskId, name, version, request } = activity;
    this.#sql.addActivity.run(
      instanceKey,
      id,
      hub,
      generation,
      taskId,
      name,
      version ?? null,
      request,
    );
  }

  /** Without its request, which may be large. */
  activity(instanceKey: number, id: number): Omit<PendingActivity, "request"> | undefined {
    const row = this.#sql.activity.get(instanceKey, id);
    return row && toActivity(row);
  }

  activityRequest(instanceKey: number, id: number): Uint8Array | undefined {
    return this.#sql.activityRequest.get(instanceKey, id)?.request as Uint8Array | undefined;
  }

  removeActivity(instanceKey: number, id: number): void {
    this.#sql.removeActivity.run(instanceKey, id);
  }

  addTimer(timer: PendingTimer): void {
    const { instanceKey, id, dueMs, generation, timerId } = timer;
    this.#sql.addTimer.run(instanceKey, id, dueMs, generation, timerId ?? null);
  }

  dueTimers(nowMs: number, limit: number): PendingTimer[] {
    return this.#sql.dueTimers.all(nowMs, limit).map((row) => ({
      instanceKey: Number(row.instance_key),
      id: Number(row.id),
      dueMs: Number(row.due_ms),
      generation: Number(row.generation),
      timerId: row.timer_id === null ? undefined : Number(row.timer_id),
    }));
  }

  nextDueMs(): number | undefined {
    const timer = this.#sql.nextDue.get()?.due_ms;
    const due = Math.min(
      typeof timer === "number" ? timer : Number.POSITIVE_INFINITY,
      this.entities.nextDueMs() ?? Number.POSITIVE_INFINITY,
    );
    return Number.isFinite(due) ? due : undefined;
  }

  removeTimer(instanceKey: number, id: number): void {
    this.#sql.removeTimer.run(instanceKey, id);
  }

  removeTimers(instanceKey: number): void {
    this.#sql.removeTimers.run(instanceKey);
  }

  /** Deletes an instance and all that belongs to it. */
  purge(instanceKey: number): void {
    for (const statement of this.#sql.purge) statement.run(instanceKey);
    this.instances.forget(instanceKey);
  }

  /** Instances with messages in their inbox, for the queue of a new process. */
  instancesWithMessages(): {
    key: number;
    hub: number;
    name: string;
    version: string | undefined;
  }[] {
    return this.#sql.waitingInstances.all().map((row) => ({
      key: Number(row.key),
      hub: Number(row.hub),
      name: String(row.name),
      version: row.version === null ? undefined : String(row.version),
    }));
  }

  /** Pending activities without their requests, for the queue of a new process. */
  *pendingActivities(): Generator<
    Omit<PendingActivity, "request"> & { readonly ownerVersion: string | undefined }
  > {
    for (const row of this.#sql.pendingActivities.iterate()) {
      const ownerVersion = row.owner_version === null ? undefined : String(row.owner_version);
      yield { ...toActivity(row), ownerVersion };
    }
  }
}

function toActivity(row: Record<string, unknown>): Omit<PendingActivity, "request"> {
  return {
    instanceKey: Number(row.instance_key),
    id: Number(row.id),
    hub: Number(row.hub),
    generation: Number(row.generation),
    taskId: Number(row.task_id),
    name: String(row.name),
    version: row.version === null ? undefined : String(row.version),
  };
}

function prepare(db: DatabaseSync) {
  return {
    highestId: db.prepare(`SELECT max(id) AS id FROM (
      SELECT max(key) AS id FROM instances UNION ALL SELECT max(seq) FROM inbox
      UNION ALL SELECT max(id) FROM activities UNION ALL SELECT max(id) FROM timers
      UNION ALL SELECT max(key) FROM entities UNION ALL SELECT max(seq) FROM entity_inbox
      UNION ALL SELECT max(id) FROM delayed_signals)`),
    newestDate: db.prepare(`SELECT max(ms) AS ms FROM (
      SELECT (SELECT max(completed_ms) FROM instances WHERE hub = hubs.id AND completed_ms IS NOT NULL) AS ms FROM hubs
      UNION ALL SELECT max(updated_ms) FROM hubs CROSS JOIN instances
        ON hub = hubs.id AND status IN (${ACTIVE_STATUSES.join()}))`),
    hubs: db.prepare("SELECT id, name FROM hubs"),
    addHub: db.prepare("INSERT INTO hubs (id, name) VALUES (?, ?)"),
    addMessage: db.prepare(
      "INSERT INTO inbox (instance_key, seq, kind, event) VALUES (?, ?, ?, ?)",
    ),
    messages: db.prepare(
      "SELECT seq, kind, event FROM inbox WHERE instance_key = ? AND seq <= ? ORDER BY seq",
    ),
    hasMessages: db.prepare("SELECT 1 FROM inbox WHERE instance_key = ? LIMIT 1"),
    removeMessages: db.prepare("DELETE FROM inbox WHERE instance_key = ? AND seq <= ?"),
    addHistory: db.prepare("INSERT INTO history (instance_key, turn, events) VALUES (?, ?, ?)"),
    history: db.prepare("SELECT events FROM history WHERE instance_key = ? ORDER BY turn"),
    historyPage: db.prepare(
      "SELECT turn, events FROM history WHERE instance_key = ? AND turn > ? AND turn <= ? ORDER BY turn",
    ),
    removeHistory: db.prepare("DELETE FROM history WHERE instance_key = ?"),
    addActivity: db.prepare(
      `INSERT INTO activities (instance_key, id, hub, generation, task_id, name, version, request)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    activity: db.prepare(
      `SELECT instance_key, id, hub, generation, task_id, name, version FROM activities
        WHERE instance_key = ? AND id = ?`,
    ),
    activityRequest: db.prepare("SELECT request FROM activities WHERE instance_key = ? AND id = ?"),
    removeActivity: db.prepare("DELETE FROM activities WHERE instance_key = ? AND id = ?"),
    addTimer: db.prepare(
      "INSERT INTO timers (instance_key, id, due_ms, generation, timer_id) VALUES (?, ?, ?, ?, ?)",
    ),
    dueTimers: db.prepare("SELECT * FROM timers WHERE due_ms <= ? ORDER BY due_ms LIMIT ?"),
    nextDue: db.prepare("SELECT min(due_ms) AS due_ms FROM timers"),
    removeTimer: db.prepare("DELETE FROM timers WHERE instance_key = ? AND id = ?"),
    removeTimers: db.prepare("DELETE FROM timers WHERE instance_key = ?"),
    purge: ["inbox", "history", "activities", "timers"]
      .map((table) => db.prepare(`DELETE FROM ${table} WHERE instance_key = ?`))
      .concat(["payloads", "instances"].map((t) => db.prepare(`DELETE FROM ${t} WHERE key = ?`))),
    waitingInstances: db.prepare(`SELECT key, hub, name, version FROM instances
      WHERE held = 0 AND key IN (SELECT DISTINCT instance_key FROM inbox) ORDER BY key`),
    pendingActivities: db.prepare(
      `SELECT a.instance_key, a.id, a.hub, a.generation, a.task_id, a.name, a.version,
        i.version AS owner_version
        FROM activities a LEFT JOIN instances i ON i.key = a.instance_key ORDER BY a.id`,
    ),
  };
}
