/**
 * Combines the changes of concurrent calls into groups: one transaction and one sync for each group.
 *
 *   COMMIT-1. `run` settles when its changes are in the file, and synced if `sync` is given.
 *   COMMIT-2. Work that throws leaves no change, and does not affect other work of its group.
 *   COMMIT-3. Effects on memory (queues, waiters) happen after COMMIT-1, in the order of the work. For
 *             work that fails they do not happen.
 *   COMMIT-4. While one group is synced the next one fills. There are at most two.
 *   COMMIT-5. After a failed sync the content of the disk is unknown, so nothing is accepted any more.
 *             The same holds when the file was deleted, replaced or found damaged.
 *   COMMIT-6. `assertWritable` fails while nothing can be stored. After a failed write, and while the
 *             disk is nearly full, it makes a trial write to find out, at most one a second.
 *
 * SQLite's `synchronous = FULL` would block this thread during every sync. With NORMAL SQLite writes
 * the log and GroupCommit syncs it, off this thread.
 * @see https://www.sqlite.org/pragma.html#pragma_synchronous
 */
import type { DatabaseSync } from "node:sqlite";
import { status } from "@grpc/grpc-js";
import { StatusError, shuttingDown } from "../protocol/status-errors.ts";
import { trialWrite } from "./database.ts";
import { classify } from "./storage-errors.ts";

export type Effect = () => void;
/** Defers an effect until the changes are durable (COMMIT-3). */
export type After = (effect: Effect) => void;

interface Group {
  readonly effects: Effect[];
  readonly durable: PromiseWithResolvers<void>;
}

export interface GroupCommitParts {
  readonly db: DatabaseSync;
  /** Path of the database, for error messages. */
  readonly path: string;
  /** Makes all committed changes survive a power cut. Absent: a commit is enough. */
  readonly sync: (() => Promise<void>) | undefined;
  /** The newest id of a row. */
  readonly lastId: () => number;
  /** Called after a rollback: what was read from the open transaction may be wrong. */
  readonly onRollback: () => void;
  /** Throws StatusError once the file was deleted or replaced. */
  readonly checkFile: () => void;
  /** The disk has so little space that the next write may fail. */
  readonly isNearlyFull: () => boolean;
  /** Called once, when the file cannot be used any more (COMMIT-5). */
  readonly onUnusable: (error: StatusError) => void;
  /** Called with an error when nothing can be stored, and without one when it can again (COMMIT-6). */
  readonly onWritable: (error: StatusError | undefined) => void;
}

/** Minimum time between two trial writes, and between two checks of the file for reads. */
const CHECK_MS = 1000;

export class GroupCommit {
  readonly #db: DatabaseSync;
  readonly #parts: GroupCommitParts;
  readonly #savepoint;
  readonly #release;
  readonly #rollback;
  #filling: Group | undefined;
  #syncing: Group | undefined;
  /** Why the file cannot be used any more (COMMIT-5). */
  #unusable: StatusError | undefined;
  #closing = false;
  /** Why the last attempt to store failed. */
  #failure: StatusError | undefined;
  #isNearlyFull = false;
  #checkedMs = Number.NEGATIVE_INFINITY;
  #triedMs = Number.NEGATIVE_INFINITY;
  #durableId: number;

  constructor(parts: GroupCommitParts) {
    const { db } = parts;
    this.#db = db;
    this.#parts = parts;
    this.#durableId = parts.lastId();
    this.#savepoint = db.prepare("SAVEPOINT work");
    this.#release = db.prepare("RELEASE work");
    this.#rollback = db.prepare("ROLLBACK TO work");
  }

  /** Rows up to this id are durable, if they still exist. */
  get durableId(): number {
    return this.#durableId;
  }

  /** Some changes are not durable yet. */
  get busy(): boolean {
    return this.#filling !== undefined || this.#syncing !== undefined;
  }

  /** Runs `work` at once and settles when its writes are durable. */
  async run<T>(work: (after: After) => T): Promise<T> {
    if (this.#unusable) throw this.#unusable;
    if (this.#closing) throw shuttingDown();
    const group = this.#filling ?? this.#begin();
    const effects: Effect[] = [];
    this.#savepoint.run();
    let result: T;
    try {
      result = work((effect) => effects.push(effect));
      this.#release.run();
    } catch (error) {
      throw this.#undo(group, error);
    }
    for (const effect of effects) group.effects.push(effect); // push(...effects) fails with very many
    await group.durable.promise;
    return result;
  }

  /** Throws when the file cannot be used any more (COMMIT-5). */
  assertUsable(): void {
    if (this.#unusable) throw this.#unusable;
    const now = performance.now();
    if (now - this.#checkedMs < CHECK_MS) return;
    this.#checkedMs = now;
    try {
      this.#parts.checkFile();
      this.#isNearlyFull = this.#parts.isNearlyFull();
    } catch (error) {
      if (!(error instanceof StatusError)) throw error;
      throw this.#refuse(error);
    }
  }

  /** Fails while nothing can be stored (COMMIT-5, COMMIT-6). */
  async assertWritable(): Promise<void> {
    this.assertUsable();
    if (!this.#failure && !this.#isNearlyFull) return;
    const now = performance.now();
    if (now - this.#triedMs >= CHECK_MS) {
      this.#triedMs = now;
      await this.run(() => trialWrite(this.#db)).then(
        () => this.#setFailure(undefined),
        () => undefined, // `run` has set the failure
      );
    }
    if (!this.#failure) return;
    const reason = this.#failure.message;
    throw new StatusError(status.UNAVAILABLE, `Nothing can be stored at the moment. ${reason}`);
  }

  /** Records an error of the file. @returns the error for the caller */
  failed(cause: unknown): StatusError {
    const { kind, error } = classify(cause, this.#parts.path);
    if (kind === "permanent") return this.#refuse(error);
    if (kind === "temporary") this.#setFailure(error);
    return error;
  }

  /** Settles when all changes made so far are durable. */
  async settled(): Promise<void> {
    await (this.#filling ?? this.#syncing)?.durable.promise;
  }

  /** Refuses new work and settles when the accepted work is done. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.settled().catch(() => undefined); // the callers get the error
  }

  #begin(): Group {
    try {
      this.#db.exec("BEGIN IMMEDIATE");
    } catch (error) {
      throw this.failed(error);
    }
    const group: Group = { effects: [], durable: Promise.withResolvers<void>() };
    group.durable.promise.catch(() => undefined); // if all work of the group has failed, nothing awaits it
    this.#filling = group;
    if (!this.#syncing) setImmediate(() => void this.#flush(group));
    return group;
  }

  /** @returns the error for the caller */
  #undo(group: Group, cause: unknown): StatusError {
    this.#parts.onRollback();
    const error = this.failed(cause);
    if (this.#db.isTransaction) {
      this.#rollback.run();
      this.#release.run();
    } else {
      // After a full disk or an I/O error SQLite has rolled back the whole transaction.
      this.#filling = undefined;
      group.durable.reject(error);
    }
    return error;
  }

  async #flush(group: Group): Promise<void> {
    if (this.#filling !== group) return;
    this.#filling = undefined;
    const lastId = this.#parts.lastId();
    try {
      if (this.#unusable) throw this.#unusable; // nothing is written to a damaged file
      this.#db.exec("COMMIT");
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      this.#parts.onRollback();
      group.durable.reject(this.failed(error));
      return;
    }
    this.#syncing = group;
    try {
      await this.#parts.sync?.();
      this.#parts.checkFile();
    } catch (error) {
      const refusal = this.#refuse(error instanceof StatusError ? error : unsynced(error));
      group.durable.reject(refusal);
      (this.#filling as Group | undefined)?.durable.reject(refusal);
      return;
    } finally {
      this.#syncing = undefined;
    }
    this.#durableId = lastId;
    for (const effect of group.effects) effect();
    group.durable.resolve();
    const next = this.#filling as Group | undefined;
    if (next) setImmediate(() => void this.#flush(next));
  }

  #refuse(error: StatusError): StatusError {
    if (!this.#unusable) {
      this.#unusable = error;
      this.#parts.onUnusable(error);
    }
    return this.#unusable;
  }

  #setFailure(error: StatusError | undefined): void {
    const changed = Boolean(this.#failure) !== Boolean(error);
    this.#failure = error;
    if (changed) this.#parts.onWritable(error);
  }
}

function unsynced(cause: unknown): StatusError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StatusError(
    status.UNAVAILABLE,
    `The scheduler's log could not be synced (${reason}), so the last changes may be lost and nothing ` +
      "is stored any more. Check the disk, then start the scheduler again.",
    { cause },
  );
}
