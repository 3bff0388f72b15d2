/** Calls that wait for an instance to change. A change wakes them; nothing polls. */
export class Waiters {
  readonly #listeners = new Map<number, Set<() => void>>();
  #closed = false;

  /** The scheduler is closing, so nothing changes any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** @returns a function that stops listening, and may be called twice */
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

  /** Wakes all waiting calls, which then see `closed`. */
  close(): void {
    this.#closed = true;
    for (const key of [...this.#listeners.keys()]) this.notify(key);
  }
}
