/** Opens the file, locks it for this process, and migrates its schema. */

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

/** Time that a start waits for another process to close the file. */
const BUSY_TIMEOUT_MS = 2000;
/** SQLite's page cache. */
const CACHE_KIB = 64 * 1024;
/** Size of the log, in 4 KiB pages, at which it is copied into the main file: 32 MiB. */
const CHECKPOINT_PAGES = 8000;

export interface OpenDatabase {
  readonly db: DatabaseSync;
  /** The file itself, not a link to it; `:memory:` for none. */
  readonly path: string;
  /** Throws StatusError once the file was deleted or replaced. */
  readonly checkFile: () => void;
}

/** @throws SchedulerStartError with the reason and advice */
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
    // The first read takes the lock for as long as the file is open. Two schedulers on one file would
    // lease the same work.
    db.exec("PRAGMA locking_mode = EXCLUSIVE");
    pragma(db, "user_version");
    const path = realpathSync(named); // SQLite creates the log beside the file, not beside a link to it
    removeLogIndex(path);
    prepareSchema(db);
    return { db, path, checkFile: watchFiles(path) };
  } catch (error) {
    db.close();
    throw error;
  }
}

function prepareSchema(db: DatabaseSync): void {
  // With NORMAL the log is synced by GroupCommit, once for many calls.
  db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA cache_size = ${-CACHE_KIB};
    BEGIN IMMEDIATE; PRAGMA application_id = ${APPLICATION_ID}; COMMIT`);
  const version = pragma(db, "user_version");
  for (const [index, step] of MIGRATIONS.entries()) {
    if (index < version) continue;
    // One transaction for each step, so that a crash leaves a complete older version.
    db.exec(`BEGIN IMMEDIATE; ${step}; PRAGMA user_version = ${index + 1}; COMMIT`);
  }
}

/** Writes a page without changing anything, to see whether the file can be written to. */
export function trialWrite(db: DatabaseSync): void {
  db.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
}
