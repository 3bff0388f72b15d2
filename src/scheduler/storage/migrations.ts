/**
 * The schema as a list of migration steps. A released step is never edited; a change is a new step at
 * the end. `PRAGMA user_version` is the number of steps that a file has taken.
 *
 * All ids (`key`, `seq`, `id`) come from one ascending sequence and are never used twice, so a
 * reference to a deleted row never refers to another one.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE hubs (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);

  -- One row per instance, small, because every turn rewrites it; what is large and written once is in payloads.
  CREATE TABLE instances (
    key INTEGER PRIMARY KEY,
    hub INTEGER NOT NULL,
    instance_id TEXT NOT NULL,
    execution_id TEXT NOT NULL,
    generation INTEGER NOT NULL,      -- goes up with continue-as-new and rewind
    turn INTEGER NOT NULL,            -- turns in this generation's history
    name TEXT NOT NULL,
    version TEXT,
    status INTEGER NOT NULL,
    held INTEGER NOT NULL,            -- 1 until the scheduled start
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    completed_ms INTEGER,
    start_ms INTEGER,
    parent_key INTEGER,
    parent_generation INTEGER,
    parent_task_id INTEGER,
    parent_instance_id TEXT,
    parent_execution_id TEXT,
    tags BLOB,
    trace_context BLOB,
    custom_status TEXT
  );
  CREATE UNIQUE INDEX instances_by_id ON instances (hub, instance_id);
  CREATE INDEX instances_by_status ON instances (hub, status, created_ms, key);
  CREATE INDEX instances_by_completion ON instances (hub, completed_ms, key) WHERE completed_ms IS NOT NULL;
  CREATE INDEX instances_by_parent ON instances (parent_key) WHERE parent_key IS NOT NULL;

  CREATE TABLE payloads (key INTEGER PRIMARY KEY, input TEXT, output TEXT, failure BLOB);

  -- Messages that no turn has taken in yet. kind is the case of HistoryEvent's oneof.
  CREATE TABLE inbox (
    instance_key INTEGER NOT NULL, seq INTEGER NOT NULL, kind INTEGER NOT NULL, event BLOB NOT NULL,
    PRIMARY KEY (instance_key, seq)
  ) WITHOUT ROWID;

  -- One row per turn: a fragment of OrchestratorRequest, its past_events.
  CREATE TABLE history (
    instance_key INTEGER NOT NULL, turn INTEGER NOT NULL, events BLOB NOT NULL,
    PRIMARY KEY (instance_key, turn)
  ) WITHOUT ROWID;

  -- Activities that have not reported. request is a serialized ActivityRequest.
  CREATE TABLE activities (
    instance_key INTEGER NOT NULL, id INTEGER NOT NULL, hub INTEGER NOT NULL,
    generation INTEGER NOT NULL, task_id INTEGER NOT NULL,
    name TEXT NOT NULL, version TEXT, request BLOB NOT NULL,
    PRIMARY KEY (instance_key, id)
  ) WITHOUT ROWID;

  -- timer_id is NULL for a scheduled start.
  CREATE TABLE timers (
    instance_key INTEGER NOT NULL, id INTEGER NOT NULL, due_ms INTEGER NOT NULL,
    generation INTEGER NOT NULL, timer_id INTEGER,
    PRIMARY KEY (instance_key, id)
  ) WITHOUT ROWID;
  CREATE INDEX timers_by_due ON timers (due_ms);
  `,
  `
  CREATE TABLE entities (
    key INTEGER PRIMARY KEY,
    hub INTEGER NOT NULL,
    entity_id TEXT NOT NULL,          -- @name@key
    updated_ms INTEGER NOT NULL,
    lock_key INTEGER,                 -- the orchestration that holds the lock
    lock_instance_id TEXT,
    lock_section TEXT,
    state TEXT
  );
  CREATE UNIQUE INDEX entities_by_id ON entities (hub, entity_id);
  CREATE INDEX entities_by_lock ON entities (lock_key) WHERE lock_key IS NOT NULL;

  -- Operations and lock requests that an entity has not handled. A signal has no sender.
  CREATE TABLE entity_inbox (
    entity_key INTEGER NOT NULL, seq INTEGER NOT NULL, kind INTEGER NOT NULL,
    sender_key INTEGER, sender_generation INTEGER, event BLOB NOT NULL,
    PRIMARY KEY (entity_key, seq)
  ) WITHOUT ROWID;

  CREATE TABLE delayed_signals (
    id INTEGER PRIMARY KEY, due_ms INTEGER NOT NULL, hub INTEGER NOT NULL,
    entity_id TEXT NOT NULL, event BLOB NOT NULL
  );
  CREATE INDEX delayed_signals_by_due ON delayed_signals (due_ms);
  `,
];
