/**
 * What clients read.
 *
 *   R1. A read returns only what is durable, so nothing a client has seen is taken back.
 *   R2. All of a read comes from one committed state: rows and payloads are read in one go, before
 *       the read waits for durability.
 *   R3. Reads fail while nothing can be stored, so that no readiness probe takes the scheduler for
 *       healthy.
 */
import { status } from "@grpc/grpc-js";
import { FAILED } from "../protocol/status.ts";
import { SchedulerError, shuttingDown } from "../protocol/status-errors.ts";
import type { GroupCommit } from "../storage/group-commit.ts";
import type { Instance, InstanceTable, Payloads } from "../storage/instance-table.ts";
import type { Store } from "../storage/store.ts";
import type { Waiters } from "./waiters.ts";

/** Whoever waits for the answer. Lighter than an AbortSignal, which every call would pay for and few use. */
export interface Caller {
  /** Has hung up, or its deadline has passed. */
  readonly gone: boolean;
  /** @returns a function that stops listening */
  onGone(listener: () => void): () => void;
}

/** An instance and its payloads at one moment. */
export interface InstanceState {
  readonly instance: Instance;
  readonly payloads: Payloads;
}

const NO_PAYLOADS: Payloads = { input: undefined, output: undefined, failure: undefined };

export class Reads {
  readonly #store: Store;
  readonly #commit: GroupCommit;
  readonly #waiters: Waiters;

  constructor(store: Store, commit: GroupCommit, waiters: Waiters) {
    this.#store = store;
    this.#commit = commit;
    this.#waiters = waiters;
  }

  /** @param query reads all that the answer needs, at once (R2) */
  async read<T>(query: (store: Store) => T): Promise<T> {
    await this.#commit.assertWritable();
    const result = query(this.#store);
    await this.#commit.settled();
    return result;
  }

  /** @param withPayloads also input and output */
  find(hub: number, instanceId: string, withPayloads: boolean): Promise<InstanceState | undefined> {
    return this.read(({ instances }) => {
      const instance = instances.byId(hub, instanceId);
      return instance && withState(instances, instance, withPayloads);
    });
  }

  /** Waits until the instance is as wanted. `undefined`: there is none, or it was purged meanwhile. */
  async waitFor(
    hub: number,
    instanceId: string,
    wanted: (instance: Instance) => boolean,
    withPayloads: boolean,
    caller: Caller,
  ): Promise<InstanceState | undefined> {
    const { instances } = this.#store;
    await this.#commit.assertWritable();
    for (;;) {
      this.#commit.assertUsable();
      if (caller.gone) throw new SchedulerError(status.CANCELLED, "The caller has gone.");
      if (this.#waiters.closed) throw shuttingDown();
      const seen = instances.byId(hub, instanceId);
      const found = seen && wanted(seen) && withState(instances, seen, withPayloads);
      const { promise: changed, resolve: wake } = Promise.withResolvers<void>();
      // Listening begins before the first pause, so no change is missed.
      const stop = seen && this.#waiters.listen(seen.key, wake);
      const stopCaller = caller.onGone(wake);
      try {
        await this.#commit.settled();
        if (!seen) return undefined;
        if (found) return found;
        await changed;
      } finally {
        stop?.();
        stopCaller();
      }
    }
  }
}

/** Input and output only when asked for, because they may be large and reads are many. */
export function withState(
  instances: InstanceTable,
  instance: Instance,
  withPayloads: boolean,
): InstanceState {
  if (!withPayloads && instance.status !== FAILED) return { instance, payloads: NO_PAYLOADS };
  const payloads = instances.payloads(instance.key);
  if (withPayloads) return { instance, payloads };
  return { instance, payloads: { ...NO_PAYLOADS, failure: payloads.failure } };
}
