import { within } from "./deadline.ts";

/** What a client received, in order, to be taken one by one. */
export class Mailbox<T> {
  readonly #items: T[] = [];
  readonly #takers: ((item: T) => void)[] = [];

  put(item: T): void {
    const taker = this.#takers.shift();
    if (taker) taker(item);
    else this.#items.push(item);
  }

  /** What is there already, without waiting; it stays there. */
  get waiting(): readonly T[] {
    return this.#items;
  }

  /** The next item, once it is there. */
  async take(what: string, ms?: number): Promise<T> {
    const item = this.#items.shift();
    if (item !== undefined) return item;
    return within(what, new Promise<T>((resolve) => this.#takers.push(resolve)), ms);
  }
}
