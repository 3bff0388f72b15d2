/** What clients read. A reader is told only what is durable, so nothing it has seen is taken back. */
import { status } from "@grpc/grpc-js";
import { SchedulerError, shuttingDown } from "./errors.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { Caller } from "./rpc.ts";
import { FAILED } from "./status.ts";
import type { Store } from "./store.ts";
import type { Instance, Payloads } from "./store-instances.ts";
import type { Waiters } from "./waiters.ts";

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

  async read<T>(query: (store: Store) => T): Promise<T> {
    const result = query(this.#store);
    await this.#commit.settled();
    return result;
  }

  find(hub: number, instanceId: string): Promise<Instance | undefined> {
    return this.read((store) => store.instances.byId(hub, instanceId));
  }

  /** Input and output only when asked for, because they may be large and reads are many. */
  payloads(instance: Instance, withInputAndOutput: boolean): Payloads {
    if (!withInputAndOutput && instance.status !== FAILED) return NO_PAYLOADS;
    const payloads = this.#store.instances.payloads(instance.key);
    return withInputAndOutput ? payloads : { ...NO_PAYLOADS, failure: payloads.failure };
  }

  /** Waits until the instance is as wanted. `undefined`: there is none, or it was purged meanwhile. */
  async waitFor(
    hub: number,
    instanceId: string,
    wanted: (instance: Instance) => boolean,
    caller: Caller,
  ): Promise<Instance | undefined> {
    for (;;) {
      if (caller.gone) throw new SchedulerError(status.CANCELLED, "The caller has gone.");
      if (this.#waiters.closed) throw shuttingDown();
      const seen = this.#store.instances.byId(hub, instanceId);
      const { promise: changed, resolve: wake } = Promise.withResolvers<void>();
      // Listening begins before the first pause, so no change is missed.
      const stop = seen && this.#waiters.listen(seen.key, wake);
      const stopCaller = caller.onGone(wake);
      try {
        await this.#commit.settled();
        if (!seen || wanted(seen)) return seen;
        await changed;
      } finally {
        stop?.();
        stopCaller();
      }
    }
  }
}
