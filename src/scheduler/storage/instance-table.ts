/** The rows of instances and their payloads. */
import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import type { ParentLink } from "../protocol/history-events.ts";

export interface InstanceRow {
  readonly key: number;
  readonly hub: number;
  readonly instanceId: string;
  readonly executionId: string;
  /** Increases when the history is replaced. Results for an older generation are discarded. */
  readonly generation: number;
  readonly turn: number;
  readonly name: string;
  readonly version: string | undefined;
  readonly status: number;
  /** Its scheduled start is not due yet. */
  readonly awaitsStart: boolean;
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly completedMs: number | undefined;
  readonly startMs: number | undefined;
  readonly parent: ParentLink | undefined;
  /** Serialized `ExecutionStartedEvent` that carries only the tags. */
  readonly tags: Uint8Array | undefined;
  /** Serialized `OrchestrationTraceContext`, passed from each turn to the next. */
  readonly traceContext: Uint8Array | undefined;
  readonly customStatus: string | undefined;
}

export interface Payloads {
  readonly input: string | undefined;
  readonly output: string | undefined;
  /** Serialized `TaskFailureDetails`. */
  readonly failure: Uint8Array | undefined;
}

type Row = Record<string, SQLInputValue>;

const COLUMNS = `key, hub, instance_id, execution_id, generation, turn, name, version, status, held,
  created_ms, updated_ms, completed_ms, start_ms, parent_key, parent_generation, parent_task_id,
  parent_instance_id, parent_execution_id, tags, trace_context, custom_status`;

/** Limit of cached rows. An instance with one activity reads its row eight times. */
const CACHE_SIZE = 10_000;
/** Rows with a longer custom status are not cached, which bounds the cache to about 50 MB. */
const CACHED_STATUS_LENGTH = 4096;

export class InstanceTable {
  readonly #db: DatabaseSync;
  /** Rows as the open transaction has them, by key. Cleared by a rollback. */
  readonly #cache = new Map<number, InstanceRow>();
  readonly #byKey;
  readonly #keyById;
  readonly #insert;
  readonly #update;
  readonly #children;
  readonly #payloads;
  readonly #insertPayloads;
  readonly #replaceInput;
  readonly #setOutcome;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#byKey = db.prepare(`SELECT ${COLUMNS} FROM instances WHERE key = ?`);
    this.#keyById = db.prepare("SELECT key FROM instances WHERE hub = ? AND instance_id = ?");
    this.#insert = db.prepare(
      `INSERT INTO instances (${COLUMNS}) VALUES (${COLUMNS.split(",").map(() => "?")})`,
    );
    this.#update = db.prepare(
      `UPDATE instances SET execution_id = ?, generation = ?, turn = ?, version = ?, status = ?, held = ?,
        updated_ms = ?, completed_ms = ?, parent_execution_id = ?, parent_generation = ?, trace_context = ?,
        custom_status = ? WHERE key = ?`,
    );
    this.#children = db.prepare(`SELECT ${COLUMNS} FROM instances WHERE parent_key = ?`);
    this.#payloads = db.prepare("SELECT input, output, failure FROM payloads WHERE key = ?");
    this.#insertPayloads = db.prepare("INSERT INTO payloads (key, input) VALUES (?, ?)");
    this.#replaceInput = db.prepare("UPDATE payloads SET input = ? WHERE key = ?");
    this.#setOutcome = db.prepare("UPDATE payloads SET output = ?, failure = ? WHERE key = ?");
  }

  byKey(key: number): InstanceRow | undefined {
    const cached = this.#cache.get(key);
    if (cached) return cached;
    const row = this.#byKey.get(key);
    return row && this.#keep(toInstance(row as Row));
  }

  byId(hub: number, instanceId: string): InstanceRow | undefined {
    const row = this.#keyById.get(hub, instanceId);
    return row && this.byKey(Number(row.key));
  }

  childrenOf(key: number): InstanceRow[] {
    return this.#children.all(key).map((row) => toInstance(row as Row));
  }

  insert(instance: InstanceRow, input: string | undefined): void {
    const { parent } = instance;
    this.#insert.run(
      instance.key,
      instance.hub,
      instance.instanceId,
      instance.executionId,
      instance.generation,
      instance.turn,
      instance.name,
      instance.version ?? null,
      instance.status,
      instance.awaitsStart ? 1 : 0,
      instance.createdMs,
      instance.updatedMs,
      instance.completedMs ?? null,
      instance.startMs ?? null,
      parent?.key ?? null,
      parent?.generation ?? null,
      parent?.taskId ?? null,
      parent?.instanceId ?? null,
      parent?.executionId ?? null,
      instance.tags ?? null,
      instance.traceContext ?? null,
      instance.customStatus ?? null,
    );
    this.#insertPayloads.run(instance.key, input ?? null);
    this.#keep(instance);
  }

  /** Writes the columns that can change. */
  update(instance: InstanceRow): void {
    this.#update.run(
      instance.executionId,
      instance.generation,
      instance.turn,
      instance.version ?? null,
      instance.status,
      instance.awaitsStart ? 1 : 0,
      instance.updatedMs,
      instance.completedMs ?? null,
      instance.parent?.executionId ?? null,
      instance.parent?.generation ?? null,
      instance.traceContext ?? null,
      instance.customStatus ?? null,
      instance.key,
    );
    this.#keep(instance);
  }

  /** Call when the row was deleted. */
  forget(key: number): void {
    this.#cache.delete(key);
  }

  /** Call after a rollback. */
  forgetAll(): void {
    this.#cache.clear();
  }

  #keep(instance: InstanceRow): InstanceRow {
    this.#cache.delete(instance.key);
    if ((instance.customStatus?.length ?? 0) > CACHED_STATUS_LENGTH) return instance;
    this.#cache.set(instance.key, instance);
    if (this.#cache.size > CACHE_SIZE) {
      const oldest = this.#cache.keys().next();
      if (!oldest.done) this.#cache.delete(oldest.value);
    }
    return instance;
  }

  payloads(key: number): Payloads {
    const row = (this.#payloads.get(key) ?? {}) as Row;
    return { input: text(row.input), output: text(row.output), failure: blob(row.failure) };
  }

  replaceInput(key: number, input: string | undefined): void {
    this.#replaceInput.run(input ?? null, key);
  }

  setOutcome(key: number, output: string | undefined, failure: Uint8Array | undefined): void {
    this.#setOutcome.run(output ?? null, failure ?? null, key);
  }

  /** For queries whose shape depends on the request. `where` follows the columns' SELECT. */
  select(where: string, parameters: readonly SQLInputValue[]): InstanceRow[] {
    const rows = this.#db.prepare(`SELECT ${COLUMNS} FROM instances ${where}`).all(...parameters);
    return rows.map((row) => toInstance(row as Row));
  }

  /** Counts the rows that `select` would find, up to `limit`. */
  countUpTo(limit: number, where: string, parameters: readonly SQLInputValue[]): number {
    const found = this.#db.prepare(
      `SELECT count(*) AS n FROM (SELECT 1 FROM instances ${where} LIMIT ?)`,
    );
    return Number(found.get(...parameters, limit)?.n);
  }
}

function toInstance(row: Row): InstanceRow {
  return {
    key: Number(row.key),
    hub: Number(row.hub),
    instanceId: String(row.instance_id),
    executionId: String(row.execution_id),
    generation: Number(row.generation),
    turn: Number(row.turn),
    name: String(row.name),
    version: text(row.version),
    status: Number(row.status),
    awaitsStart: row.held === 1,
    createdMs: Number(row.created_ms),
    updatedMs: Number(row.updated_ms),
    completedMs: integer(row.completed_ms),
    startMs: integer(row.start_ms),
    parent: row.parent_key === null ? undefined : toParent(row),
    tags: blob(row.tags),
    traceContext: blob(row.trace_context),
    customStatus: text(row.custom_status),
  };
}

function toParent(row: Row): ParentLink {
  return {
    key: Number(row.parent_key),
    generation: Number(row.parent_generation),
    taskId: Number(row.parent_task_id),
    instanceId: String(row.parent_instance_id),
    executionId: String(row.parent_execution_id),
  };
}

const text = (value: SQLInputValue | undefined): string | undefined =>
  typeof value === "string" ? value : undefined;
const blob = (value: SQLInputValue | undefined): Uint8Array | undefined =>
  value instanceof Uint8Array ? value : undefined;
const integer = (value: SQLInputValue | undefined): number | undefined =>
  typeof value === "number" ? value : undefined;
