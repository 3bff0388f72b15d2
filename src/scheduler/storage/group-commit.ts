/**
 * Combines the changes of concurrent calls into groups: one transaction and one sync for each group.
 *
 *   COMMIT-1. `run` settles when its changes are in the file, and synced if `sync` is given.
 *   COMMIT-2. Work that throws leaves no change, and does not affect other work of its group.
 *   COMMIT-3. Effects on memory (queues, waiters) happen after COMMIT-1, in the order of the work. For
 *             work that fails they do not happen.
 *   COMMIT-4. While one group is synced the next one fills. There are at most two.
 *   COMMIT-5. After a failed sync, or once the file is unusable (FILE-1), nothing is accepted any more.
 *
 * SQLite's `synchronous = FULL` would block this thread during every sync. With NORMAL SQLite writes
 * the log and GroupCommit syncs it, off this thread.
 * @see https://www.sqlite.org/pragma.html#pragma_synchronous
 */
import type { DatabaseSync } from "node:sqlite";
import { status } from "@grpc/grpc-js";
import { StatusError, shuttingDown } from "../protocol/status-errors.ts";
import { trialWrite } from "./database.ts";
import type { FileHealth } from "./file-health.ts";

export type Effect = () => void;
/** Defers an effect until the changes are durable (COMMIT-3). */
export type After = (effect: Effect) => void;

interface Group {
  readonly effects: Effect[];
  readonly durable: PromiseWithResolvers<void>;
}

export interface GroupCommitParts {
  readonly db: DatabaseSync;
  /** Makes all committed changes survive a power cut. Absent: a commit is enough. */
  readonly sync: (() => Promise<void>) | undefined;
  /** The newest id of a row. */
  readonly lastId: () => number;
  /** Called after a rollback: what was read from the open transaction may be wrong. */
  readonly onRollback: () => void;
  readonly health: FileHealth;
}

export class GroupCommit {
  readonly #db: DatabaseSync;
  readonly #sync: (() => Promise<void>) | undefined;
  readonly #lastId: () => number;
  readonly #onRollback: () => void;
  readonly #health: FileHealth;
  readonly #savepoint;
  readonly #release;
  readonly #rollback;
  #filling: Group | undefined;
  #syncing: Group | undefined;
  #closing = false;
  #durableId: number;

  constructor({ db, sync, lastId, onRollback, health }: GroupCommitParts) {
    this.#db = db;
    this.#sync = sync;
    this.#lastId = lastId;
    this.#onRollback = onRollback;
    this.#health = health;
    this.#durableId = lastId();
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
    if (this.#health.unusable) throw this.#health.unusable; // COMMIT-5
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

  /** Fails while nothing can be stored (FILE-2). */
  assertWritable(): Promise<void> {
    return this.#health.assertWritable(() => this.run(() => trialWrite(this.#db)));
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
      throw this.#health.failed(error);
    }
    const group: Group = { effects: [], durable: Promise.withResolvers<void>() };
    group.durable.promise.catch(() => undefined); // if all work of the group has failed, nothing awaits it
    this.#filling = group;
    if (!this.#syncing) setImmediate(() => void this.#flush(group));
    return group;
  }

  /** @returns the error for the caller */
  #undo(group: Group, cause: unknown): StatusError {
    this.#onRollback();
    const error = this.#health.failed(cause);
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
    const lastId = this.#lastId();
    try {
      if (this.#health.unusable) throw this.#health.unusable; // nothing is written to a damaged file
      this.#db.exec("COMMIT");
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      this.#onRollback();
      group.durable.reject(this.#health.failed(error));
      return;
    }
    this.#syncing = group;
    try {
      await this.#sync?.();
      this.#health.check();
    } catch (error) {
      const refusal = this.#health.setUnusable(
        error instanceof StatusError ? error : unsynced(error),
      );
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
