/** Opens the one file, holds it for this process alone, and brings its schema up to date. */
import { mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SchedulerStartError } from "./errors.ts";
import { MIGRATIONS } from "./migrations.ts";

export const IN_MEMORY = ":memory:";

/** Marks a file as ours ("dtsp" in ASCII), so that another program's database is left alone. */
const APPLICATION_ID = 0x64747370;
/** How long a start waits for a process that is just closing the file. */
const BUSY_TIMEOUT_MS = 2000;
/** Pages of the file that are kept in memory. */
const CACHE_KIB = 64 * 1024;
/** 4 KiB pages of log before it is copied into the main file: 32 MiB. */
const CHECKPOINT_PAGES = 8000;

/** @throws SchedulerStartError when the file cannot be used, saying why and what to do */
export function openDatabase(file: string): DatabaseSync {
  const path = file === IN_MEMORY ? file : resolve(file);
  let db: DatabaseSync | undefined;
  try {
    if (path !== IN_MEMORY) mkdirSync(dirname(path), { recursive: true });
    db = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    inspect(db, path);
    configure(db);
    migrate(db);
    return db;
  } catch (error) {
    db?.close();
    throw error instanceof SchedulerStartError ? error : explain(error, path);
  }
}

/** Refuses a file that is not for us, before anything in it is changed. */
function inspect(db: DatabaseSync, path: string): void {
  // From the first read on the lock is ours for as long as the file is open: two schedulers on one
  // file would each lease the same work.
  db.exec("PRAGMA locking_mode = EXCLUSIVE");
  const id = pragma(db, "application_id");
  const empty = db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.n === 0;
  if (id !== APPLICATION_ID && !(id === 0 && empty)) {
    throw new SchedulerStartError(
      `${path} is a database of another program. Name another file for the scheduler.`,
    );
  }
  const version = pragma(db, "user_version");
  if (version > MIGRATIONS.length) {
    throw new SchedulerStartError(
      `${path} was written by a newer version of the scheduler (schema ${version}, this one knows ` +
        `up to ${MIGRATIONS.length}). Run the newer version, or name another file.`,
    );
  }
}

function configure(db: DatabaseSync): void {
  // NORMAL leaves syncing the log to GroupCommit, which shares one sync among many.
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA cache_size = ${-CACHE_KIB};
    BEGIN IMMEDIATE; PRAGMA application_id = ${APPLICATION_ID}; COMMIT`);
}

function migrate(db: DatabaseSync): void {
  const version = pragma(db, "user_version");
  for (const [index, step] of MIGRATIONS.entries()) {
    if (index < version) continue;
    // One transaction per step: a crash in between leaves a whole older version, never half of one.
    db.exec(`BEGIN IMMEDIATE; ${step}; PRAGMA user_version = ${index + 1}; COMMIT`);
  }
}

function pragma(db: DatabaseSync, name: string): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
}

function explain(error: unknown, path: string): SchedulerStartError {
  const reason = error instanceof Error ? error.message : String(error);
  const advice = /locked|busy/i.test(reason)
    ? "Another process is using it. Stop that process, or name another file."
    : /not a database|malformed|corrupt/i.test(reason)
      ? "The file is damaged or is no SQLite database; it was not changed. Restore it from a copy, or name another file."
      : /full/i.test(reason)
        ? "The disk is full. Make room, then start again."
        : "Check that the folder exists and that this process may write there.";
  return new SchedulerStartError(
    `Cannot open the scheduler's database ${path}: ${reason}. ${advice}`,
    {
      cause: error,
    },
  );
}
