/** Calls that wait for an instance to change. Nothing polls; a change calls those who wait for it. */
export class Waiters {
  readonly #listeners = new Map<number, Set<() => void>>();
  #closed = false;

  /** Nothing will change any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** @returns a function that stops listening; calling it twice does no harm */
  listen(instanceKey: number, listener: () => void): () => void {
    const listeners = this.#listeners.get(instanceKey) ?? new Set();
    this.#listeners.set(instanceKey, listeners.add(listener));
    return () => {
      if (listeners.delete(listener) && listeners.size === 0) this.#listeners.delete(instanceKey);
    };
  }

  notify(instanceKey: number): void {
    for (const listener of [...(this.#listeners.get(instanceKey) ?? [])]) listener();
  }

  /** Wakes everyone, so that they can see that it is over. */
  close(): void {
    this.#closed = true;
    for (const key of [...this.#listeners.keys()]) this.notify(key);
  }
}
