/** More than this waiting means that its reader has stopped: the connection is given up, and resumed later. */
const MOST = 10_000;

/** Messages between a connection and the one who iterates over them. */
export class Queue<T> {
  readonly #waiting: T[] = [];
  #ended: { readonly error?: unknown } | undefined;
  #wake: (() => void) | undefined;

  push(item: T): void {
    if (this.#waiting.length >= MOST) this.end(new Error("too many messages are waiting"));
    if (this.#ended) return;
    this.#waiting.push(item);
    this.#wake?.();
  }

  /** What was pushed before is still delivered. */
  end(error?: unknown): void {
    this.#ended ??= { error };
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<T, void> {
    for (;;) {
      const item = this.#waiting.shift();
      if (item !== undefined) yield item;
      else if (this.#ended?.error) throw this.#ended.error;
      else if (this.#ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}
