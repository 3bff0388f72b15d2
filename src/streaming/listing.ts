import type { Instance } from "../dts/instance.ts";
import type { InstanceQuery } from "../dts/instance-query.ts";
import type { Reader, ReadTime } from "./reader.ts";

/** Characters of payloads that a page is meant to stay below. */
const PAGE_WEIGHT = 2 * 1024 * 1024;
/** Instances of the first page, whose weight is not known yet. */
const PROBE_SIZE = 20;
/** Below this size a page with payloads costs more than single reads of what has changed. */
const MIN_SIZE = 20;
/** How long pages are fetched without payloads after those with them were too heavy. */
const LIGHT_FOR_MS = 10 * 60_000;
/** How long one page may take. */
const PAGE_WITHIN_MS = 3000;

/** One page of instances. */
export interface Listed extends ReadTime {
  readonly instances: readonly Instance[];
  /** Whether the instances carry their custom status and output. */
  readonly complete: boolean;
  /** Characters of the payloads that it carries. */
  readonly payloadLength: number;
  readonly nextPageToken: string | undefined;
}

/**
 * Lists instances, with their payloads where those are small. The protocol fetches inputs, outputs and
 * custom status together or not at all, and a page of large inputs takes seconds.
 *   LIST-1. Pages are sized to carry about 2 MiB. Where that is fewer than 20 instances, pages come
 *       without payloads for ten minutes.
 */
export class Listing {
  readonly #reader: Reader;
  readonly #pageSize: number;
  /** Characters of payloads per instance of the last page that carried any. */
  #weight: number | undefined;
  #lightUntilMs = Number.NEGATIVE_INFINITY;

  /** @param pageSize most instances per page */
  constructor(reader: Reader, pageSize: number) {
    this.#reader = reader;
    this.#pageSize = pageSize;
  }

  /** @throws SchedulerError */
  async page(query: Omit<InstanceQuery, "pageSize" | "payloads">): Promise<Listed> {
    const complete = performance.now() >= this.#lightUntilMs;
    const pageSize = complete ? this.#completeSize() : this.#pageSize;
    const page = await this.#reader.query(
      { ...query, pageSize, payloads: complete },
      PAGE_WITHIN_MS,
    );
    if (complete && page.instances.length > 0) {
      this.#weight = page.payloadLength / page.instances.length;
      if (this.#weight * MIN_SIZE > PAGE_WEIGHT) {
        this.#lightUntilMs = performance.now() + LIGHT_FOR_MS;
        this.#weight = undefined;
      }
    }
    return { ...page, complete };
  }

  #completeSize(): number {
    if (this.#weight === undefined) return Math.min(PROBE_SIZE, this.#pageSize);
    const size = Math.floor(PAGE_WEIGHT / Math.max(1, this.#weight));
    return Math.max(1, Math.min(size, this.#pageSize));
  }
}
