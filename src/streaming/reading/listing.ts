import type { InstanceRead } from "../../dts/instance.ts";
import type { InstanceQuery } from "../../dts/instance-query.ts";
import type { Reader, ReadTime } from "./reader.ts";

/** Characters of payloads that a page is meant to stay below. */
const PAGE_WEIGHT = 2 * 1024 * 1024;
/** Instances of the first page, whose weight is not known yet; each next one may be four times as large. */
const PROBE_SIZE = 5;
const GROWTH = 4;
/** Below this size a page with payloads costs more than single reads of what has changed. */
const MIN_SIZE = 20;
/** How long pages are fetched without payloads after those with them were too heavy. */
const LIGHT_FOR_MS = 10 * 60_000;

export type ListingQuery = Omit<InstanceQuery, "pageSize" | "payloads">;

/** One page of instances. */
export interface Listed extends ReadTime {
  readonly instances: readonly InstanceRead[];
  /** Whether the instances carry their custom status, input and output. */
  readonly complete: boolean;
  /** Characters of the payloads that it carries. */
  readonly payloadLength: number;
  readonly nextPageToken: string | undefined;
}

/**
 * Lists instances, with their payloads where those are small. The protocol fetches inputs, outputs and
 * custom status together or not at all, and a page of large inputs takes seconds.
 *   LIST-1. Pages are sized to carry about 2 MiB. Where that is fewer than 20 instances, or a page with
 *       payloads fails, pages come without payloads for ten minutes.
 */
export class Listing {
  readonly #reader: Reader;
  readonly #pageSize: number;
  /** Size of the next page with payloads. */
  #size = PROBE_SIZE;
  #lightUntilMs = Number.NEGATIVE_INFINITY;

  /** @param pageSize most instances per page */
  constructor(reader: Reader, pageSize: number) {
    this.#reader = reader;
    this.#pageSize = pageSize;
  }

  /** Whether pages come with payloads at present. */
  get complete(): boolean {
    return performance.now() >= this.#lightUntilMs;
  }

  /**
   * @param withinMs abandons the page after this time; by default it has the client's deadline
   * @throws SchedulerError
   */
  async page(query: ListingQuery, withinMs?: number): Promise<Listed> {
    const { complete } = this;
    const pageSize = complete ? Math.min(this.#size, this.#pageSize) : this.#pageSize;
    try {
      const page = await this.#reader.query({ ...query, pageSize, payloads: complete }, withinMs);
      if (complete && page.instances.length > 0)
        this.#adapt(page.payloadLength, page.instances.length);
      return { ...page, complete };
    } catch (error) {
      if (complete) this.#goLight();
      throw error;
    }
  }

  #adapt(characters: number, instances: number): void {
    const fitting = Math.floor((PAGE_WEIGHT * instances) / Math.max(1, characters));
    if (fitting < MIN_SIZE) this.#goLight();
    else this.#size = Math.min(fitting, Math.max(this.#size, instances * GROWTH), this.#pageSize);
  }

  #goLight(): void {
    this.#lightUntilMs = performance.now() + LIGHT_FOR_MS;
    this.#size = PROBE_SIZE;
  }
}
