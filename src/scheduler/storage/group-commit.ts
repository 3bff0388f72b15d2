/**
 * Many calls, one transaction, one sync.
 *
 *   G1. `run` settles only after its work is in the file, synced when `sync` is "full".
 *   G2. Work that throws leaves nothing behind and does not harm the other work of its group.
 *   G3. Effects on memory (queues, waiters) happen after G1, in the order of the work, or not at all.
 *   G4. While one group is being synced the next one fills; no more than two exist.
 *   G5. After a failed sync the content of the disk is unknown, so nothing is accepted any more. The
 *       same holds when the file was deleted, replaced or found damaged.
 *   G6. `assertWritable` fails while nothing can be stored. After a write that failed, and where the
 *       disk has hardly any room, a trial write, at most one a second, finds out.
 *
 * SQLite's own `synchronous = FULL` would block this thread during every sync. With NORMAL it
 * writes the log but leaves syncing it to us, off this thread; what is synced is the same.
 * @see https://www.sqlite.org/pragma.html#pragma_synchronous
 */
import type { DatabaseSync } from "node:sqlite";
import { status } from "@grpc/grpc-js";
import { SchedulerError, shuttingDown } from "../protocol/status-errors.ts";
import { trialWrite } from "./database.ts";
import { classify } from "./storage-errors.ts";

export type Effect = () => void;
/** Defers an effect until the work is durable (G3). */
export type After = (effect: Effect) => void;

interface Group {
  readonly effects: Effect[];
  readonly durable: PromiseWithResolvers<void>;
}

export interface GroupCommitParts {
  readonly db: DatabaseSync;
  /** The database's path, for messages. */
  readonly path: string;
  /** Makes everything committed so far survive a power cut; absent: a commit is enough. */
  readonly sync: (() => Promise<void>) | undefined;
  /** The newest id given to a row. */
  readonly lastId: () => number;
  /** Something was undone: what was read from the open transaction may be wrong. */
  readonly onRollback: () => void;
  /** Throws SchedulerError once the file was deleted or replaced. */
  readonly checkFile: () => void;
  /** The disk has so little room that the next write may fail. */
  readonly isShortOfRoom: () => boolean;
  /** The file cannot be used any more; called once (G5). */
  readonly onUnusable: (error: SchedulerError) => void;
  /** Whether changes can be stored has changed (G6). */
  readonly onWritable: (error: SchedulerError | undefined) => void;
}

/** Least time between two trial writes, and between two looks at the file for a read. */
const CHECK_MS = 1000;

export class GroupCommit {
  readonly #db: DatabaseSync;
  readonly #parts: GroupCommitParts;
  readonly #savepoint;
  readonly #release;
  readonly #rollback;
  #filling: Group | undefined;
  #syncing: Group | undefined;
  /** Why the file cannot be used any more (G5). */
  #unusable: SchedulerError | undefined;
  #closing = false;
  /** Why the last attempt to store failed. */
  #failure: SchedulerError | undefined;
  #isShortOfRoom = false;
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

  /** Something was written that is not durable yet. */
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
    for (const effect of effects) group.effects.push(effect); // too many to be arguments, perhaps
    await group.durable.promise;
    return result;
  }

  /** Throws when nothing will ever be stored again (G5). */
  assertUsable(): void {
    if (this.#unusable) throw this.#unusable;
    const now = performance.now();
    if (now - this.#checkedMs < CHECK_MS) return;
    this.#checkedMs = now;
    try {
      this.#parts.checkFile();
      this.#isShortOfRoom = this.#parts.isShortOfRoom();
    } catch (error) {
      throw this.#refuse(classify(error, this.#parts.path).error);
    }
  }

  /** Fails while nothing can be stored (G5, G6). */
  async assertWritable(): Promise<void> {
    this.assertUsable();
    if (!this.#failure && !this.#isShortOfRoom) return;
    const now = performance.now();
    if (now - this.#triedMs >= CHECK_MS) {
      this.#triedMs = now;
      await this.run(() => trialWrite(this.#db)).then(
        () => this.#setFailure(undefined),
        () => undefined, // it has been noted
      );
    }
    if (!this.#failure) return;
    const reason = this.#failure.message;
    throw new SchedulerError(status.UNAVAILABLE, `Nothing can be stored at the moment. ${reason}`);
  }

  /** Takes note of an error of the file. @returns what the caller is told */
  failed(cause: unknown): SchedulerError {
    const { kind, error } = classify(cause, this.#parts.path);
    if (kind === "lasting") return this.#refuse(error);
    if (kind === "passing") this.#setFailure(error);
    return error;
  }

  /** Settles when everything written so far is durable, so that a reader sees nothing that a crash takes back. */
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
    group.durable.promise.catch(() => undefined); // a group of failed work alone has nobody waiting
    this.#filling = group;
    if (!this.#syncing) setImmediate(() => void this.#flush(group));
    return group;
  }

  /** @returns what the caller is told */
  #undo(group: Group, cause: unknown): SchedulerError {
    this.#parts.onRollback();
    const error = this.failed(cause);
    if (this.#db.isTransaction) {
      this.#rollback.run();
      this.#release.run();
    } else {
      // A full disk or an I/O error makes SQLite drop the whole transaction, not only the statement.
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
      const refusal = this.#refuse(classify(error, this.#parts.path).error);
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

  #refuse(error: SchedulerError): SchedulerError {
    if (!this.#unusable) {
      this.#unusable = error;
      this.#parts.onUnusable(error);
    }
    return this.#unusable;
  }

  #setFailure(error: SchedulerError | undefined): void {
    const changed = Boolean(this.#failure) !== Boolean(error);
    this.#failure = error;
    if (changed) this.#parts.onWritable(error);
  }
}
