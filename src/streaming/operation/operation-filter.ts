import type { Instance, RuntimeStatus } from "../../dts/instance.ts";
import { documentStatus, type OperationStatus } from "./operation-status.ts";

/** Most values of one kind in a filter. */
export const MAX_FILTER_VALUES = 20;
/** A tag as filters have it. */
export const FILTER_TAG = /^.+:/;

/** What an operation must have. An empty list asks for nothing. */
export interface FilterOptions {
  /** One of these. */
  readonly statuses?: readonly OperationStatus[];
  /** One of these orchestrations. */
  readonly names?: readonly string[];
  /** All of these, each as `key:value`. */
  readonly tags?: readonly string[];
}

/** A filter of operations by what their documents show. */
export class OperationFilter {
  /** Matches every operation. */
  static readonly NONE = new OperationFilter();
  /** The same for the same filter, in whatever order it was given; "" for none. */
  readonly key: string;
  readonly #statuses: ReadonlySet<OperationStatus>;
  readonly #names: ReadonlySet<string>;
  readonly #tags: ReadonlySet<string>;

  constructor({ statuses = [], names = [], tags = [] }: FilterOptions = {}) {
    this.#statuses = new Set(statuses);
    this.#names = new Set(names);
    this.#tags = new Set(tags);
    const parts = [this.#statuses, this.#names, this.#tags].map((part) => [...part].sort());
    this.key = parts.some(({ length }) => length > 0) ? JSON.stringify(parts) : "";
  }

  /** The statuses that a scheduler can store for operations that match; `undefined` for any. */
  get runtimeStatuses(): readonly RuntimeStatus[] | undefined {
    if (this.#statuses.size === 0) return undefined;
    return [...new Set([...this.#statuses].flatMap((status) => STORED_AS[status]))];
  }

  matches(instance: Instance): boolean {
    const { name, tags = {} } = instance;
    if (this.#statuses.size > 0 && !this.#statuses.has(documentStatus(instance))) return false;
    if (this.#names.size > 0 && !this.#names.has(name)) return false;
    if (this.#tags.size === 0) return true;
    const present = new Set(Object.entries(tags).map(([key, value]) => `${key}:${value}`));
    return [...this.#tags].every((tag) => present.has(tag));
  }
}

/** Some schedulers store PENDING for an operation that documents show as RUNNING (`shownStatus`). */
const STORED_AS: Record<OperationStatus, readonly RuntimeStatus[]> = {
  PENDING: ["PENDING"],
  RUNNING: ["RUNNING", "CONTINUED_AS_NEW", "PENDING"],
  SUSPENDED: ["SUSPENDED"],
  Completed: ["COMPLETED"],
  Failed: ["FAILED"],
  TERMINATED: ["TERMINATED"],
  CANCELED: ["CANCELED"],
};
