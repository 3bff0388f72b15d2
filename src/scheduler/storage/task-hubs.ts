/** Task hubs by name. They share only the file. */
import { status } from "@grpc/grpc-js";
import { invalid, StatusError, unknownTaskHub } from "../protocol/status-errors.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { Store } from "./store.ts";

const MAX_NAME_LENGTH = 64;
/** Protects against clients that make up names. */
const MAX_HUBS = 1000;

/** The id of a hub in which nothing has been stored yet; no row has it. */
const NOTHING_STORED = 0;

/** The task hub that a call names. */
export interface TaskHub {
  readonly name: string;
  /** The value of `hub` in its rows. Changes once, when something is first stored. */
  readonly id: number;
  /** For a call that stores something: creates the hub if it is new. @returns its id */
  ensure(): number;
}

export class TaskHubs {
  readonly #store: Store;
  readonly #commit: GroupCommit;
  readonly #ids: Map<string, number>;
  readonly #allowed: readonly string[] | undefined;

  /** @param allowed the only hubs that are served; `undefined`: a hub is created when something is stored in it */
  constructor(store: Store, commit: GroupCommit, allowed: readonly string[] | undefined) {
    this.#store = store;
    this.#commit = commit;
    this.#ids = store.hubs();
    this.#allowed = allowed;
  }

  /** Does not create the hub: reads and workers store nothing. @throws StatusError */
  named(name: string): TaskHub {
    if (this.#allowed && !this.#allowed.includes(name)) throw unknownTaskHub(name, this.#allowed);
    if (name.length === 0 || name.length > MAX_NAME_LENGTH) {
      throw invalid(`A task hub's name must have 1 to ${MAX_NAME_LENGTH} characters.`);
    }
    const ids = this.#ids;
    return {
      name,
      get id() {
        return ids.get(name) ?? NOTHING_STORED;
      },
      ensure: () => ids.get(name) ?? this.#add(name),
    };
  }

  #add(name: string): number {
    if (this.#ids.size >= MAX_HUBS) {
      throw new StatusError(
        status.RESOURCE_EXHAUSTED,
        `There are already ${MAX_HUBS} task hubs, and no more are created.`,
      );
    }
    // The id is chosen here rather than by the file, so that the call need not wait for the row. If
    // writing it fails, the next use writes it again.
    const id = Math.max(NOTHING_STORED, ...this.#ids.values()) + 1;
    this.#ids.set(name, id);
    this.#commit.run(() => this.#store.addHub(id, name)).catch(() => this.#ids.delete(name));
    return id;
  }
}
