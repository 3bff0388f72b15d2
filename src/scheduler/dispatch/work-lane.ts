/** Items that every stream accepts or refuses alike: same hub, kind, name and versions. First in, first out. */
import type { WorkItem } from "./work-item.ts";

/** Taken items are dropped from the front of the array in blocks of this many. */
const COMPACT_AT = 1024;

export class Lane {
  /** Stands for all items when a stream is asked whether it accepts them. */
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
