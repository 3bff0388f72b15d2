/** Draws of one run: the same for the same seed. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, both ends included. */
  integer(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  pick<T>(all: readonly T[]): T {
    return all[this.integer(0, all.length - 1)] as T;
  }

  shuffled<T>(all: readonly T[]): T[] {
    const drawn = all.map((each) => ({ each, at: this.next() }));
    return drawn.sort((a, b) => a.at - b.at).map(({ each }) => each);
  }

  /** True in so many of 100 cases. */
  chance(percent: number): boolean {
    return this.next() * 100 < percent;
  }

  /** Draws that do not depend on how many others are made here later. */
  fork(): Random {
    return new Random(this.integer(0, 2 ** 32 - 1));
  }
}
