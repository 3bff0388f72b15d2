/**
 * Many calls, one transaction, one sync.
 *
 *   G1. `run` settles only after its work is in the file, synced when `sync` is "full".
 *   G2. Work that throws leaves nothing behind and does not harm the other work of its group.
 *   G3. Effects on memory (queues, waiters) happen after G1, in the order of the work, or not at all.
 *   G4. While one group is being synced the next one fills; no more than two exist.
 *   G5. After a failed sync nobody knows what the disk holds, so nothing is accepted any more.
 *
 * SQLite's own `synchronous = FULL` would block this thread during every sync. With NORMAL it
 * writes the log but leaves syncing it to us, off this thread; what is synced is the same.
 * @see https://www.sqlite.org/pragma.html#pragma_synchronous
 */
import type { DatabaseSync } from "node:sqlite";
import { status } from "@grpc/grpc-js";
import { SchedulerError, shuttingDown } from "./errors.ts";

export type Effect = () => void;
/** Defers an effect until the work is durable (G3). */
export type After = (effect: Effect) => void;

interface Group {
  readonly effects: Effect[];
  readonly durable: PromiseWithResolvers<void>;
}

export interface GroupCommitParts {
  readonly db: DatabaseSync;
  /** Makes everything committed so far survive a power cut; absent: a commit is enough. */
  readonly sync: (() => Promise<void>) | undefined;
  /** The newest id given to a row. */
  readonly lastId: () => number;
  /** Something was undone: what was read from the open transaction may be wrong. */
  readonly onRollback: () => void;
}

export class GroupCommit {
  readonly #db: DatabaseSync;
  readonly #sync: (() => Promise<void>) | undefined;
  readonly #savepoint;
  readonly #release;
  readonly #rollback;
  readonly #lastId: () => number;
  readonly #onRollback: () => void;
  #filling: Group | undefined;
  #syncing: Group | undefined;
  #refusal: SchedulerError | undefined;
  #durableId: number;

  constructor({ db, sync, lastId, onRollback }: GroupCommitParts) {
    this.#db = db;
    this.#sync = sync;
    this.#lastId = lastId;
    this.#onRollback = onRollback;
    this.#durableId = lastId();
    this.#savepoint = db.prepare("SAVEPOINT work");
    this.#release = db.prepare("RELEASE work");
    this.#rollback = db.prepare("ROLLBACK TO work");
  }

  /** Rows up to this id are durable, if they still exist. */
  get durableId(): number {
    return this.#durableId;
  }

  /** Something was written that is not durable yet. */
  get busy(): boolean {
    return this.#filling !== undefined || this.#syncing !== undefined;
  }

  /** Runs `work` at once and settles when its writes are durable. */
  async run<T>(work: (after: After) => T): Promise<T> {
    if (this.#refusal) throw this.#refusal;
    const group = this.#filling ?? this.#begin();
    const effects: Effect[] = [];
    this.#savepoint.run();
    let result: T;
    try {
      result = work((effect) => effects.push(effect));
      this.#release.run();
    } catch (error) {
      this.#undo(group, error);
      throw explain(error);
    }
    for (const effect of effects) group.effects.push(effect); // too many to be arguments, perhaps
    await group.durable.promise;
    return result;
  }

  /** Settles when everything written so far is durable, so that a reader is told nothing that a crash takes back. */
  async settled(): Promise<void> {
    await (this.#filling ?? this.#syncing)?.durable.promise;
  }

  /** Refuses new work and settles when the accepted work is done. */
  async close(): Promise<void> {
    this.#refusal ??= shuttingDown();
    await this.settled().catch(() => undefined); // those who wait for the work have been told
  }

  #begin(): Group {
    this.#db.exec("BEGIN IMMEDIATE");
    const group: Group = { effects: [], durable: Promise.withResolvers<void>() };
    group.durable.promise.catch(() => undefined); // a group of failed work alone has nobody waiting
    this.#filling = group;
    if (!this.#syncing) setImmediate(() => void this.#flush(group));
    return group;
  }

  #undo(group: Group, error: unknown): void {
    this.#onRollback();
    if (this.#db.isTransaction) {
      this.#rollback.run();
      this.#release.run();
      return;
    }
    // A full disk or an I/O error makes SQLite drop the whole transaction, not only the statement.
    this.#filling = undefined;
    group.durable.reject(explain(error));
  }

  async #flush(group: Group): Promise<void> {
    if (this.#filling !== group) return;
    this.#filling = undefined;
    const lastId = this.#lastId();
    try {
      this.#db.exec("COMMIT");
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      this.#onRollback();
      group.durable.reject(explain(error));
      return;
    }
    if (this.#sync) {
      this.#syncing = group;
      try {
        await this.#sync();
      } catch (error) {
        this.#refusal = explain(error);
        group.durable.reject(this.#refusal);
        (this.#filling as Group | undefined)?.durable.reject(this.#refusal);
        return;
      } finally {
        this.#syncing = undefined;
      }
    }
    this.#durableId = lastId;
    for (const effect of group.effects) effect();
    group.durable.resolve();
    const next = this.#filling as Group | undefined;
    if (next) setImmediate(() => void this.#flush(next));
  }
}

/** What a caller is told when the file cannot take the write. Errors of our own pass unchanged. */
function explain(error: unknown): SchedulerError {
  if (error instanceof SchedulerError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  if (/full|ENOSPC/i.test(reason)) {
    return new SchedulerError(
      status.RESOURCE_EXHAUSTED,
      "The scheduler's disk is full; nothing was changed. Make room and try again.",
      { cause: error },
    );
  }
  return new SchedulerError(status.INTERNAL, "The scheduler could not store the change.", {
    cause: error,
  });
}
