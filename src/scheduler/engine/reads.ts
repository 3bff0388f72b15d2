/**
 * Reads for clients.
 *
 *   SNAPSHOT-1. A read returns only durable state, so a crash takes back nothing that a client has seen.
 *   SNAPSHOT-2. A read returns one committed state: rows and payloads are read together, before the
 *               read waits for durability.
 *   SNAPSHOT-3. Reads fail while nothing can be stored, so that readiness probes show it.
 */
import { status } from "@grpc/grpc-js";
import { FAILED } from "../protocol/status.ts";
import { StatusError, shuttingDown } from "../protocol/status-errors.ts";
import type { FileHealth } from "../storage/file-health.ts";
import type { GroupCommit } from "../storage/group-commit.ts";
import type { InstanceRow, InstanceTable, Payloads } from "../storage/instance-table.ts";
import type { Store } from "../storage/store.ts";
import type { Waiters } from "./waiters.ts";

/** The client of a call. Cheaper than an AbortSignal, which every call would need and few would use. */
export interface Caller {
  /** It has cancelled the call, or the deadline has passed. */
  readonly cancelled: boolean;
  /** @returns a function that stops listening */
  onCancelled(listener: () => void): () => void;
}

/** An instance and its payloads in one committed state. */
export interface InstanceState {
  readonly instance: InstanceRow;
  readonly payloads: Payloads;
}

const NO_PAYLOADS: Payloads = { input: undefined, output: undefined, failure: undefined };

export class Reads {
  readonly #store: Store;
  readonly #commit: GroupCommit;
  readonly #waiters: Waiters;
  readonly #health: FileHealth;

  constructor(store: Store, commit: GroupCommit, waiters: Waiters, health: FileHealth) {
    this.#store = store;
    this.#commit = commit;
    this.#waiters = waiters;
    this.#health = health;
  }

  /** @param query reads everything that the answer needs (SNAPSHOT-2) */
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

  /** Waits until the instance satisfies `wanted`. `undefined`: it does not exist, or was purged meanwhile. */
  async waitFor(
    hub: number,
    instanceId: string,
    wanted: (instance: InstanceRow) => boolean,
    withPayloads: boolean,
    caller: Caller,
  ): Promise<InstanceState | undefined> {
    const { instances } = this.#store;
    await this.#commit.assertWritable();
    for (;;) {
      this.#health.assertUsable();
      if (caller.cancelled) throw new StatusError(status.CANCELLED, "The call was cancelled.");
      if (this.#waiters.closed) throw shuttingDown();
      const seen = instances.byId(hub, instanceId);
      const found = seen && wanted(seen) && withState(instances, seen, withPayloads);
      const { promise: changed, resolve: wake } = Promise.withResolvers<void>();
      // Listens before the first await, so that no change is missed.
      const stop = seen && this.#waiters.listen(seen.key, wake);
      const stopCaller = caller.onCancelled(wake);
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

/** Reads input and output only on request, since they may be large. */
export function withState(
  instances: InstanceTable,
  instance: InstanceRow,
  withPayloads: boolean,
): InstanceState {
  if (!withPayloads && instance.status !== FAILED) return { instance, payloads: NO_PAYLOADS };
  const payloads = instances.payloads(instance.key);
  if (withPayloads) return { instance, payloads };
  return { instance, payloads: { ...NO_PAYLOADS, failure: payloads.failure } };
}
