/** How much of the scheduler this process may use. */
export interface ReadBudgetOptions {
  /** Reads per second, all operations together. */
  readonly readsPerSecond: number;
}

/** A part of the demand: how often one watcher would like to read. */
export interface Claim {
  /** @param byPage whether its reads come with those of others, so that the budget hardly feels them */
  update(intervalMs: number, byPage?: boolean): void;
  release(): void;
}

/** HTTP/2 carries about 100 calls at once on one connection and delays the rest in silence. */
const MAX_IN_FLIGHT = 64;
/** The share of the budget that watchers plan with; the rest is for pages and unplanned reads. */
const PLANNED_SHARE = 0.9;
/** Unused budget is kept for this long, so that a quiet second does not become a burst. */
const BURST_S = 0.1;

/**
 * The one gate to the scheduler for all reads of this process: a token bucket.
 *   R1. Over any time t, at most `readsPerSecond × (t + 0.1 s)` reads leave, and at most 64 are
 *       under way at once.
 *   R2. Turns are given in the order they were asked for, so that no one starves.
 *   R3. When the watchers together want more single reads than the budget, `stretch` says by how much,
 *       and each slows down by that same factor.
 */
export class ReadBudget {
  /** Whether all is read singly at present, whatever came by page before. */
  withoutPages = false;
  readonly #readsPerSecond: number;
  readonly #burst: number;
  readonly #waiting: (() => void)[] = [];
  #tokens: number;
  #refilledAtMs = performance.now();
  #inFlight = 0;
  #wantedPerSecond = 0;
  #wantedSinglyPerSecond = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor({ readsPerSecond }: ReadBudgetOptions) {
    this.#readsPerSecond = readsPerSecond;
    this.#burst = Math.max(1, readsPerSecond * BURST_S);
    this.#tokens = this.#burst;
  }

  /** The factor by which planned intervals are lengthened at present; 1 while the budget suffices. */
  get stretch(): number {
    const perSecond = this.withoutPages ? this.#wantedPerSecond : this.#wantedSinglyPerSecond;
    return Math.max(1, perSecond / (this.#readsPerSecond * PLANNED_SHARE));
  }

  /** Reads per second that all watchers together would like to make, one operation each. */
  get wantedPerSecond(): number {
    return this.#wantedPerSecond;
  }

  /** Counts a watcher's reads among the demand until it is released. */
  claim(intervalMs: number): Claim {
    let all = 0;
    let singly = 0;
    const set = (perSecond: number, byPage: boolean) => {
      const nowSingly = byPage ? 0 : perSecond;
      this.#wantedPerSecond = Math.max(0, this.#wantedPerSecond + perSecond - all);
      this.#wantedSinglyPerSecond = Math.max(0, this.#wantedSinglyPerSecond + nowSingly - singly);
      all = perSecond;
      singly = nowSingly;
    };
    set(1000 / intervalMs, false);
    return {
      update: (ms, byPage = false) => set(1000 / ms, byPage),
      release: () => set(0, false),
    };
  }

  /**
   * Resolves when one read may leave. The caller makes it at once and calls `done` when it is back.
   * Few callers wait here at a time: the poller asks for one turn after the other.
   */
  turn(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    this.#admit();
    return promise;
  }

  /** A read that `turn` let go is back. */
  done(): void {
    this.#inFlight -= 1;
    this.#admit();
  }

  #admit(): void {
    this.#refill();
    while (this.#waiting.length > 0 && this.#inFlight < MAX_IN_FLIGHT && this.#tokens >= 1) {
      this.#tokens -= 1;
      this.#inFlight += 1;
      this.#waiting.shift()?.();
    }
    // With tokens left, what is missing is a read coming back, which calls `done`.
    if (this.#waiting.length > 0 && this.#tokens < 1) this.#wakeWhenRefilled();
  }

  #refill(): void {
    const nowMs = performance.now();
    const gained = ((nowMs - this.#refilledAtMs) / 1000) * this.#readsPerSecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + gained);
    this.#refilledAtMs = nowMs;
  }

  #wakeWhenRefilled(): void {
    if (this.#timer) return;
    const delayMs = Math.ceil(((1 - this.#tokens) / this.#readsPerSecond) * 1000);
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#admit();
    }, delayMs);
  }
}
