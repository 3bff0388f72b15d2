const EVERY_MS = 1000;

/**
 * Gives a run up that makes no progress. A slow machine makes progress slowly, so this is no limit on the time of
 * a run, and a process that gets no CPU does not count the time either.
 */
export class StuckWatch {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #turns = 0;
  /** What is waited for. */
  phase = "start";

  /** @param enough seconds without progress, in which this process had its turns */
  constructor(enough: number) {
    this.#timer = setInterval(() => {
      this.#turns += 1;
      if (this.#turns < enough) return;
      this.#controller.abort(new Error(`No progress in ${enough} s: ${this.phase}`));
      this.close();
    }, EVERY_MS);
  }

  /** Aborted when it is given up. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  readonly progress = (): void => {
    this.#turns = 0;
  };

  /** `part`, or the reason for giving up. */
  async within<T>(phase: string, part: Promise<T>): Promise<T> {
    this.phase = phase;
    this.progress();
    this.signal.throwIfAborted();
    const { promise, reject } = Promise.withResolvers<never>();
    const giveUp = () => reject(this.signal.reason);
    this.signal.addEventListener("abort", giveUp);
    part.catch(() => undefined); // Where the watch was first.
    return Promise.race([part, promise]).finally(() =>
      this.signal.removeEventListener("abort", giveUp),
    );
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
