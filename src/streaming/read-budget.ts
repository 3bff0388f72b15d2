/** How much of the scheduler this process may use. */
export interface ReadBudgetOptions {
  /** Reads per second, all operations together. */
  readonly readsPerSecond: number;
}

/** A part of the demand: how often one watcher would like to read. */
export interface Claim {
  update(intervalMs: number): void;
  release(): void;
}

/** The process has more reads waiting than it can make before their deadline. */
export class ReadBudgetError extends Error {
  override readonly name = "ReadBudgetError";
}

/** HTTP/2 carries about 100 calls at once on one connection and delays the rest in silence. */
const MAX_IN_FLIGHT = 64;
/** Reads that may wait for their turn; beyond that a read fails at once. */
const MAX_WAITING = 20_000;
/** How long a read may wait for its turn. */
const MAX_WAIT_MS = 30_000;
/** The share of the budget that watchers plan with; the rest is for reads that nobody planned. */
const PLANNED_SHARE = 0.9;
/** Unused budget is kept for this long, so that a quiet second does not become a burst. */
const BURST_S = 0.1;

/**
 * The one gate to the scheduler for all reads of this process.
 *   R1. Over any time t, at most `readsPerSecond × (t + 0.1 s)` reads leave, and at most 64 are
 *       under way at once.
 *   R2. Reads leave in the order they came in, so that no one starves.
 *   R3. When the watchers together want more than the budget, `stretch` says by how much, and each
 *       slows down by that same factor.
 */
export class ReadBudget {
  readonly #readsPerSecond: number;
  readonly #burst: number;
  readonly #waiting: Waiter[] = [];
  #tokens: number;
  #refilledAtMs = performance.now();
  #inFlight = 0;
  #wantedPerSecond = 0;
  #refillTimer: NodeJS.Timeout | undefined;

  constructor({ readsPerSecond }: ReadBudgetOptions) {
    this.#readsPerSecond = readsPerSecond;
    this.#burst = Math.max(1, readsPerSecond * BURST_S);
    this.#tokens = this.#burst;
  }

  /** The factor by which planned intervals are lengthened at present; 1 while the budget suffices. */
  get stretch(): number {
    return Math.max(1, this.#wantedPerSecond / (this.#readsPerSecond * PLANNED_SHARE));
  }

  /** Counts a watcher's reads among the demand until it is released. */
  claim(intervalMs: number): Claim {
    let perSecond = 0;
    const set = (next: number) => {
      this.#wantedPerSecond = Math.max(0, this.#wantedPerSecond + next - perSecond);
      perSecond = next;
    };
    set(1000 / intervalMs);
    return { update: (ms) => set(1000 / ms), release: () => set(0) };
  }

  /**
   * Runs `read` when its turn has come.
   * @throws ReadBudgetError when 20,000 others wait, or its turn has not come within 30 s
   */
  async run<T>(read: () => Promise<T>): Promise<T> {
    await this.#turn();
    try {
      return await read();
    } finally {
      this.#inFlight -= 1;
      this.#admit();
    }
  }

  #turn(): Promise<void> {
    if (this.#waiting.length >= MAX_WAITING) {
      return Promise.reject(new ReadBudgetError("Too many reads wait for the scheduler"));
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#waiting.push({ admit: resolve, refuse: reject, sinceMs: performance.now() });
    this.#admit();
    return promise;
  }

  #admit(): void {
    const nowMs = performance.now();
    this.#refill(nowMs);
    this.#refuseOverdue(nowMs);
    while (this.#waiting.length > 0 && this.#inFlight < MAX_IN_FLIGHT && this.#tokens >= 1) {
      this.#tokens -= 1;
      this.#inFlight += 1;
      this.#waiting.shift()?.admit();
    }
    if (this.#waiting.length > 0) this.#scheduleRefill();
  }

  #refill(nowMs: number): void {
    const gained = ((nowMs - this.#refilledAtMs) / 1000) * this.#readsPerSecond;
    this.#tokens = Math.min(this.#burst, this.#tokens + gained);
    this.#refilledAtMs = nowMs;
  }

  #refuseOverdue(nowMs: number): void {
    while (this.#waiting[0] && nowMs - this.#waiting[0].sinceMs > MAX_WAIT_MS) {
      this.#waiting
        .shift()
        ?.refuse(new ReadBudgetError("The scheduler's turn did not come in 30 s"));
    }
  }

  #scheduleRefill(): void {
    if (this.#refillTimer) return;
    const missing = Math.max(0, 1 - this.#tokens);
    // With tokens left, what is missing is a read coming back; the timer is then the deadline's.
    const delayMs = missing > 0 ? Math.ceil((missing / this.#readsPerSecond) * 1000) : 1000;
    this.#refillTimer = setTimeout(() => {
      this.#refillTimer = undefined;
      this.#admit();
    }, delayMs);
  }
}

interface Waiter {
  readonly admit: () => void;
  readonly refuse: (error: ReadBudgetError) => void;
  readonly sinceMs: number;
}
