/** Time between two notifications of one store, so that a burst of changes is rendered once. */
const NOTIFY_EVERY_MS = 16;
/** Time for which a store outlives its last listener, so that a component that remounts finds it. */
const LINGER_MS = 1000;

/** Runs until `signal` is aborted. `set` takes what makes the next value, which is called when it is needed. */
type Run<T> = (set: (next: () => T) => void, signal: AbortSignal) => Promise<void>;

/**
 * A value that changes, with its listeners: what `useSyncExternalStore` takes.
 *   STORE-1. It runs while something listens. A component that is mounted twice in a row does not start it twice.
 *   STORE-2. The snapshot is the same object until something has changed.
 */
export class Store<T> {
  #snapshot: T;
  readonly #run: Run<T>;
  readonly #onStop: () => void;
  #next: (() => T) | undefined;
  readonly #listeners = new Set<() => void>();
  #running: AbortController | undefined;
  #stopping: ReturnType<typeof setTimeout> | undefined;
  #notifying: ReturnType<typeof setTimeout> | undefined;

  constructor(initial: T, run: Run<T>, onStop: () => void) {
    this.#snapshot = initial;
    this.#run = run;
    this.#onStop = onStop;
    // A component that is rendered and never mounted does not subscribe.
    this.#stopping = setTimeout(this.#stop, LINGER_MS);
  }

  readonly snapshot = (): T => this.#snapshot;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    clearTimeout(this.#stopping);
    this.#start();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.#stopping = setTimeout(this.#stop, LINGER_MS);
    };
  };

  #start(): void {
    if (this.#running) return;
    this.#running = new AbortController();
    const { signal } = this.#running;
    const set = (next: () => T) => {
      if (signal.aborted) return;
      this.#next = next;
      this.#notifying ??= setTimeout(this.#notify, NOTIFY_EVERY_MS);
    };
    void this.#run(set, signal);
  }

  readonly #notify = (): void => {
    this.#notifying = undefined;
    if (this.#next) this.#snapshot = this.#next();
    for (const listener of this.#listeners) listener();
  };

  readonly #stop = (): void => {
    this.#running?.abort();
    this.#running = undefined;
    clearTimeout(this.#notifying);
    this.#notifying = undefined;
    this.#next = undefined;
    this.#onStop();
  };
}
