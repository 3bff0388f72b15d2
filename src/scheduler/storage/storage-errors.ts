/** What SQLite's errors mean for the scheduler, and what to do about each. */
import { status } from "@grpc/grpc-js";
import { SchedulerError } from "../protocol/status-errors.ts";

/** Primary result codes of SQLite. @see https://www.sqlite.org/rescode.html */
const BUSY = 5;
const LOCKED = 6;
const NOMEM = 7;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

/** Failures of the file or its disk rather than of a statement. */
const OF_THE_FILE: readonly number[] = [NOMEM, READONLY, IOERR, FULL, CANTOPEN];

export type StorageFault =
  /** The file cannot be trusted any more, whatever happens next. */
  | { readonly kind: "lasting"; readonly error: SchedulerError }
  /** Nothing can be stored at the moment. */
  | { readonly kind: "passing"; readonly error: SchedulerError }
  /** One piece of work failed; it says nothing about the file. */
  | { readonly kind: "unrelated"; readonly error: SchedulerError };

/** @param path of the database, for people */
export function classify(cause: unknown, path: string): StorageFault {
  if (cause instanceof SchedulerError) return { kind: "unrelated", error: cause };
  const code = resultCode(cause);
  if (code === CORRUPT || code === NOTADB) {
    const message =
      `The scheduler's database ${path} is damaged, so nothing is stored any more. Stop the ` +
      "scheduler, then restore the file from a copy, or name another file.";
    const error = new SchedulerError(status.DATA_LOSS, message, { cause });
    return { kind: "lasting", error };
  }
  if (code === FULL || (cause as NodeJS.ErrnoException)?.code === "ENOSPC") {
    const message = "The scheduler's disk is full; nothing was changed. Make room and try again.";
    const error = new SchedulerError(status.RESOURCE_EXHAUSTED, message, { cause });
    return { kind: "passing", error };
  }
  const message = "The scheduler could not store the change.";
  const error = new SchedulerError(status.INTERNAL, message, { cause });
  const ofTheFile = code !== undefined && OF_THE_FILE.includes(code);
  return { kind: ofTheFile ? "passing" : "unrelated", error };
}

/** Says why a file cannot be opened, and what to do. */
export function openingMessage(cause: unknown, path: string): string {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const code = resultCode(cause);
  const advice =
    code === CORRUPT || code === NOTADB
      ? DAMAGED_AT_START
      : code === BUSY || code === LOCKED
        ? "Another process is using it. Stop that process, or name another file."
        : code === FULL || (cause as NodeJS.ErrnoException)?.code === "ENOSPC"
          ? "The disk is full. Make room, then start again."
          : "Check that the folder exists and that this process may write there.";
  return `Cannot open the scheduler's database ${path}: ${reason}. ${advice}`;
}

export const DAMAGED_AT_START =
  "The file is damaged or is no SQLite database; it was not changed. Restore it from a copy, or name another file.";

export function isSqliteError(error: unknown): boolean {
  return resultCode(error) !== undefined;
}

/** SQLite's primary result code, from an error of `node:sqlite`. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error)) return undefined;
  return Number(error.errcode) & 0xff;
}
