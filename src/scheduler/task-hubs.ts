/** Task hubs by name. They share the file and nothing else. */
import { invalid, unknownTaskHub } from "./errors.ts";
import type { GroupCommit } from "./group-commit.ts";
import type { Store } from "./store.ts";

const MAX_NAME_LENGTH = 64;
/** A guard against a client that makes up names; a hub that is never used costs one small row. */
const MAX_HUBS = 1000;

export class TaskHubs {
  readonly #store: Store;
  readonly #commit: GroupCommit;
  readonly #ids: Map<string, number>;
  readonly #allowed: readonly string[] | undefined;

  /** @param allowed the only hubs there are; `undefined`: a hub appears on first use */
  constructor(store: Store, commit: GroupCommit, allowed: readonly string[] | undefined) {
    this.#store = store;
    this.#commit = commit;
    this.#ids = store.hubs();
    this.#allowed = allowed;
  }

  idOf(name: string): number {
    if (this.#allowed && !this.#allowed.includes(name)) throw unknownTaskHub(name, this.#allowed);
    return this.#ids.get(name) ?? this.#add(name);
  }

  #add(name: string): number {
    if (name.length === 0 || name.length > MAX_NAME_LENGTH) {
      throw invalid(`A task hub's name must have 1 to ${MAX_NAME_LENGTH} characters.`);
    }
    if (this.#ids.size >= MAX_HUBS) throw invalid(`There are already ${MAX_HUBS} task hubs.`);
    // Ids are given here rather than by the file, so that a failed write costs only the row, and
    // the next use writes it again.
    const id = Math.max(0, ...this.#ids.values()) + 1;
    this.#ids.set(name, id);
    this.#commit.run(() => this.#store.addHub(id, name)).catch(() => this.#ids.delete(name));
    return id;
  }
}
