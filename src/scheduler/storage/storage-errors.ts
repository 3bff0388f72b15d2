/** Classifies SQLite's errors, and says what to do about each. */
import { status } from "@grpc/grpc-js";
import { StatusError } from "../protocol/status-errors.ts";

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

/** Codes that concern the file or its disk, rather than one statement. */
const OF_THE_FILE: readonly number[] = [NOMEM, READONLY, IOERR, FULL, CANTOPEN];

export type StorageFault =
  /** The file cannot be used any more. */
  | { readonly kind: "permanent"; readonly error: StatusError }
  /** Nothing can be stored at the moment. */
  | { readonly kind: "temporary"; readonly error: StatusError }
  /** One piece of work failed; the file is not the cause. */
  | { readonly kind: "unrelated"; readonly error: StatusError };

/** @param path of the database, for people */
export function classify(cause: unknown, path: string): StorageFault {
  if (cause instanceof StatusError) return { kind: "unrelated", error: cause };
  const code = resultCode(cause);
  if (code === CORRUPT || code === NOTADB) {
    const message =
      `The scheduler's database ${path} is damaged, so nothing is stored any more. Stop the ` +
      "scheduler, then restore the file from a copy, or name another file.";
    const error = new StatusError(status.DATA_LOSS, message, { cause });
    return { kind: "permanent", error };
  }
  if (code === FULL || (cause as NodeJS.ErrnoException)?.code === "ENOSPC") {
    const message =
      "The scheduler's disk is full; nothing was changed. Free some space and try again.";
    const error = new StatusError(status.RESOURCE_EXHAUSTED, message, { cause });
    return { kind: "temporary", error };
  }
  const message = "The scheduler could not store the change.";
  const error = new StatusError(status.INTERNAL, message, { cause });
  const ofTheFile = code !== undefined && OF_THE_FILE.includes(code);
  return { kind: ofTheFile ? "temporary" : "unrelated", error };
}

/** The reason why a file cannot be opened, and advice. */
export function openingMessage(cause: unknown, path: string): string {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const code = resultCode(cause);
  const advice =
    code === CORRUPT || code === NOTADB
      ? DAMAGED_AT_START
      : code === BUSY || code === LOCKED
        ? "Another process is using it. Stop that process, or name another file."
        : code === FULL || (cause as NodeJS.ErrnoException)?.code === "ENOSPC"
          ? "The disk is full. Free some space, then start again."
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
