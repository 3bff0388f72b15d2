/** The database as a file: creates its folder, inspects it before use, and notices when it disappears. */

import { existsSync, mkdirSync, rmSync, statfsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { status } from "@grpc/grpc-js";
import { StatusError } from "../protocol/status-errors.ts";
import { SchedulerStartError } from "../start-error.ts";
import { DAMAGED_AT_START } from "./storage-errors.ts";

/** Identifies our files ("dtsp" in ASCII), so that another program's database is not touched. */
export const APPLICATION_ID = 0x64747370;

/** Larger files are not searched for damage at start, which would take seconds. Reads find it. */
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

/** Removes the log's index, which a read-only connection leaves behind. Requires the lock on the file. */
export function removeLogIndex(path: string): void {
  rmSync(`${path}-shm`, { force: true });
}

/** With less space than this on its disk the file may be unable to grow. */
const LITTLE_SPACE_BYTES = 1024 * 1024;

export function isNearlyFull(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize < LITTLE_SPACE_BYTES;
  } catch {
    return false; // unknown; a write will show
  }
}

/**
 * Remembers which files are open. SQLite does not notice a deleted file: on Linux it can still be
 * written, and is lost when the last process closes it.
 * @returns a function that throws StatusError once a file was deleted or replaced
 */
export function watchFiles(path: string): () => void {
  const files = [path, `${path}-wal`].map((name) => ({ name, opened: identity(name) }));
  return () => {
    for (const { name, opened } of files) {
      const found = identity(name);
      if (found === opened || found === UNKNOWN) continue;
      throw new StatusError(
        status.UNAVAILABLE,
        `The scheduler's file ${name} was deleted or replaced while it was in use, so nothing can be ` +
          "stored any more. Put it back if you can, and start the scheduler again.",
      );
    }
  };
}

const UNKNOWN = "unknown";

/** @returns undefined when there is no such file */
function identity(file: string): string | undefined {
  try {
    const found = statSync(file, { throwIfNoEntry: false });
    return found && `${found.dev}:${found.ino}`;
  } catch {
    return UNKNOWN;
  }
}
