/**
 * Whether the file can be used and written to.
 *
 *   FILE-1. After the file was deleted, replaced or found damaged, or a sync has failed, it is unusable
 *           permanently: what the disk holds is unknown.
 *   FILE-2. While nothing can be stored, `assertWritable` fails. After a failed write, and while the
 *           disk is nearly full, it makes a trial write to find out, at most one a second.
 */
import { status } from "@grpc/grpc-js";
import { StatusError } from "../protocol/status-errors.ts";
import { classify } from "./storage-errors.ts";

export interface FileHealthParts {
  /** Path of the database, for error messages. */
  readonly path: string;
  /** Throws StatusError once the file was deleted or replaced. */
  readonly checkFile: () => void;
  /** The disk has so little space that the next write may fail. */
  readonly isNearlyFull: () => boolean;
  /** Called once, when the file has become unusable (FILE-1). */
  readonly onUnusable: (error: StatusError) => void;
  /** Called with an error when nothing can be stored, and without one when it can again (FILE-2). */
  readonly onWritable: (error: StatusError | undefined) => void;
}

/** Minimum time between two trial writes, and between two checks of the file for reads. */
const CHECK_MS = 1000;

export class FileHealth {
  readonly #parts: FileHealthParts;
  #unusable: StatusError | undefined;
  /** Why the last attempt to store failed. */
  #failure: StatusError | undefined;
  #isNearlyFull = false;
  #checkedMs = Number.NEGATIVE_INFINITY;
  #triedMs = Number.NEGATIVE_INFINITY;

  constructor(parts: FileHealthParts) {
    this.#parts = parts;
  }

  /** Why the file cannot be used any more (FILE-1). */
  get unusable(): StatusError | undefined {
    return this.#unusable;
  }

  /** Throws when the file is unusable, which it checks now. */
  check(): void {
    if (this.#unusable) throw this.#unusable;
    try {
      this.#parts.checkFile();
    } catch (error) {
      throw error instanceof StatusError ? this.setUnusable(error) : error;
    }
  }

  /** Throws when the file is unusable (FILE-1), as of at most a second ago. */
  assertUsable(): void {
    if (this.#unusable) throw this.#unusable;
    const now = performance.now();
    if (now - this.#checkedMs < CHECK_MS) return;
    this.#checkedMs = now;
    this.check();
    this.#isNearlyFull = this.#parts.isNearlyFull();
  }

  /**
   * Fails while nothing can be stored (FILE-1, FILE-2).
   * @param trial writes something; records its failure by `failed`
   */
  async assertWritable(trial: () => Promise<void>): Promise<void> {
    this.assertUsable();
    if (!this.#failure && !this.#isNearlyFull) return;
    const now = performance.now();
    if (now - this.#triedMs >= CHECK_MS) {
      this.#triedMs = now;
      await trial().then(
        () => this.#setFailure(undefined),
        () => undefined,
      );
    }
    if (!this.#failure) return;
    const reason = this.#failure.message;
    throw new StatusError(status.UNAVAILABLE, `Nothing can be stored at the moment. ${reason}`);
  }

  /** Records an error of a read or write. @returns the error for the caller */
  failed(cause: unknown): StatusError {
    const { kind, error } = classify(cause, this.#parts.path);
    if (kind === "permanent") return this.setUnusable(error);
    if (kind === "temporary") this.#setFailure(error);
    return error;
  }

  /** @returns why the file is unusable, which is the first reason */
  setUnusable(error: StatusError): StatusError {
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
