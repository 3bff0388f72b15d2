/** The database as a file: its folder, its state before it is opened, and whether it is still there. */

import { existsSync, mkdirSync, rmSync, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { status } from "@grpc/grpc-js";
import { SchedulerError } from "../protocol/status-errors.ts";
import { SchedulerStartError } from "../start-error.ts";
import { DAMAGED_AT_START } from "./storage-errors.ts";

/** Marks a file as ours ("dtsp" in ASCII), so that another program's database is left alone. */
export const APPLICATION_ID = 0x64747370;

/** Larger files are not checked as a whole at start, which would take seconds; reads find damage. */
const MAX_CHECKED_BYTES = 256 * 1024 * 1024;

/** Creates a folder and its parents. Node's own `recursive` never returns under `/proc` (v24). */
export function createFolder(folder: string): void {
  if (existsSync(folder)) return;
  const parent = dirname(folder);
  if (parent !== folder) createFolder(parent);
  try {
    mkdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
}

/**
 * Refuses a file that is not for this version, belongs to another program, or is damaged. The file is
 * opened read-only: closing a writable connection would copy the log of a crashed process into it.
 * @throws SchedulerStartError
 */
export function inspectFile(path: string, knownSchema: number, timeoutMs: number): void {
  if (!existsSync(path)) return;
  const db = new DatabaseSync(path, { readOnly: true, timeout: timeoutMs });
  try {
    inspect(db, path, knownSchema);
  } finally {
    db.close();
  }
}

function inspect(db: DatabaseSync, path: string, knownSchema: number): void {
  const id = pragma(db, "application_id");
  const empty = db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()?.n === 0;
  if (id !== APPLICATION_ID && !(id === 0 && empty)) {
    throw new SchedulerStartError(
      `${path} is a database of another program. Name another file for the scheduler.`,
    );
  }
  const version = pragma(db, "user_version");
  if (version > knownSchema) {
    throw new SchedulerStartError(
      `${path} was written by a newer version of the scheduler (schema ${version}, this one knows ` +
        `up to ${knownSchema}). Run the newer version, or name another file.`,
    );
  }
  if (pragma(db, "page_count") * pragma(db, "page_size") > MAX_CHECKED_BYTES) return;
  const finding = String(db.prepare("PRAGMA quick_check(1)").get()?.quick_check);
  if (finding !== "ok") {
    throw new SchedulerStartError(
      `Cannot open the scheduler's database ${path}: ${finding.replaceAll("\n", " ")}. ${DAMAGED_AT_START}`,
    );
  }
}

export function pragma(db: DatabaseSync, name: string): number {
  return Number(Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0]);
}

/** The index of the log that a read-only connection leaves behind. Only for who holds the lock. */
export function removeLogIndex(path: string): void {
  rmSync(`${path}-shm`, { force: true });
}

/** With less room than this on its disk the file may be unable to grow. */
const LITTLE_ROOM_BYTES = 1024 * 1024;

export function isShortOfRoom(path: string): boolean {
  const { bavail, bsize } = statfsSync(path);
  return bavail * bsize < LITTLE_ROOM_BYTES;
}

/**
 * Remembers which files are open. On Linux a deleted file can still be written to, and is gone when
 * its last user closes it, so SQLite does not notice.
 * @returns a function that throws SchedulerError once a file was deleted or replaced
 */
export function watchFiles(path: string): () => void {
  const files = [path, `${path}-wal`].map((name) => ({ name, opened: identity(name) }));
  return () => {
    for (const { name, opened } of files) {
      if (identity(name) === opened) continue;
      throw new SchedulerError(
        status.UNAVAILABLE,
        `The scheduler's file ${name} was deleted or replaced while it was in use, so nothing can be ` +
          "stored any more. Put it back if you can, and start the scheduler again.",
      );
    }
  };
}

function identity(file: string): string | undefined {
  const found = statSync(file, { throwIfNoEntry: false });
  return found && `${found.dev}:${found.ino}`;
}
