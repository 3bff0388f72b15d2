/** Does things in the order in which they came, each at once or later. */
export class Lane {
  readonly #waiting: (() => void)[] = [];
  #lastDueMs = 0;

  /** Nothing overtakes what waits. */
  pass(delayMs: number, act: () => void): void {
    if (delayMs === 0 && this.#waiting.length === 0) {
      act();
      return;
    }
    const nowMs = performance.now();
    this.#lastDueMs = Math.max(this.#lastDueMs, nowMs + delayMs);
    this.#waiting.push(act);
    setTimeout(() => this.#waiting.shift()?.(), this.#lastDueMs - nowMs);
  }
}
