/** Opens the one file, holds it for this process alone, and brings its schema up to date. */

import { realpathSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { SchedulerStartError } from "../start-error.ts";
import {
  APPLICATION_ID,
  createFolder,
  inspectFile,
  pragma,
  removeLogIndex,
  watchFiles,
} from "./database-file.ts";
import { MIGRATIONS } from "./migrations.ts";
import { openingMessage } from "./storage-errors.ts";

export const IN_MEMORY = ":memory:";

/** How long a start waits for a process that is just closing the file. */
const BUSY_TIMEOUT_MS = 2000;
/** Pages of the file that are kept in memory. */
const CACHE_KIB = 64 * 1024;
/** 4 KiB pages of log before it is copied into the main file: 32 MiB. */
const CHECKPOINT_PAGES = 8000;

export interface OpenDatabase {
  readonly db: DatabaseSync;
  /** The file itself, not a link to it; `:memory:` for none. */
  readonly path: string;
  /** Throws SchedulerError once the file was deleted or replaced. */
  readonly checkFile: () => void;
}

/** @throws SchedulerStartError when the file cannot be used, saying why and what to do */
export function openDatabase(file: string): OpenDatabase {
  if (file === IN_MEMORY) {
    const db = new DatabaseSync(file);
    prepareSchema(db);
    return { db, path: file, checkFile: () => undefined };
  }
  const path = resolve(file);
  try {
    return openFile(path);
  } catch (error) {
    if (error instanceof SchedulerStartError) throw error;
    throw new SchedulerStartError(openingMessage(error, path), { cause: error });
  }
}

function openFile(named: string): OpenDatabase {
  createFolder(dirname(named));
  inspectFile(named, MIGRATIONS.length, BUSY_TIMEOUT_MS);
  const db = new DatabaseSync(named, { timeout: BUSY_TIMEOUT_MS });
  try {
    // From the first read on the lock is ours for as long as the file is open: two schedulers on one
    // file would each lease the same work.
    db.exec("PRAGMA locking_mode = EXCLUSIVE");
    pragma(db, "user_version");
    const path = realpathSync(named); // SQLite puts the log beside the file, not beside a link to it
    removeLogIndex(path);
    prepareSchema(db);
    return { db, path, checkFile: watchFiles(path) };
  } catch (error) {
    db.close();
    throw error;
  }
}

function prepareSchema(db: DatabaseSync): void {
  // NORMAL leaves syncing the log to GroupCommit, which shares one sync among many.
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA cache_size = ${-CACHE_KIB};
    BEGIN IMMEDIATE; PRAGMA application_id = ${APPLICATION_ID}; COMMIT`);
  const version = pragma(db, "user_version");
  for (const [index, step] of MIGRATIONS.entries()) {
    if (index < version) continue;
    // One transaction per step: a crash in between leaves a whole older version, never half of one.
    db.exec(`BEGIN IMMEDIATE; ${step}; PRAGMA user_version = ${index + 1}; COMMIT`);
  }
}

/** Writes a page without changing anything, to see whether the file can be written to. */
export function trialWrite(db: DatabaseSync): void {
  db.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
}
