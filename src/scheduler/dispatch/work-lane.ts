/** A first-in, first-out list of items with the same hub, kind, name and versions: a stream accepts all of them or none. */
import type { WorkItem } from "./work-item.ts";

/** Number of taken items at which the front of the array is cut off. */
const COMPACT_AT = 1024;

export class WorkLane {
  /** Represents all items of the lane in a stream's decision. */
  readonly sample: WorkItem;
  #items: WorkItem[] = [];
  #head = 0;

  constructor(sample: WorkItem) {
    this.sample = sample;
  }

  get size(): number {
    return this.#items.length - this.#head;
  }

  push(item: WorkItem): void {
    this.#items.push(item);
  }

  shift(): WorkItem | undefined {
    const item = this.#items[this.#head];
    if (item) this.#head += 1;
    if (this.#head >= COMPACT_AT) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }
}
