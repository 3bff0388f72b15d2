import type { IsShown } from "../operation/announced.ts";
import type { Operation } from "../operation/operation.ts";

/** An announced change of one operation. Times by `performance.now()`. */
export class Announcement {
  #atMs = Number.NEGATIVE_INFINITY;
  #isShown: IsShown | undefined;

  /** @param isShown whether a state shows it; by default any change does */
  announce(isShown: IsShown | undefined): void {
    this.#atMs = performance.now();
    this.#isShown = isShown;
  }

  /** Whether it came after a read was sent, which therefore may not show it. */
  isAfter(sentAtMs: number): boolean {
    return this.#atMs > sentAtMs;
  }

  /** Whether the read that was sent then and found `after` shows it. `undefined`: no such operation. */
  isShownBy(
    sentAtMs: number,
    before: Operation | undefined,
    after: Operation | undefined,
  ): boolean {
    if (this.isAfter(sentAtMs)) return false;
    return this.#isShown?.(after) ?? after !== before;
  }

  /** Whether there has to be an operation, so that a read which finds none came too early. */
  get needsOperation(): boolean {
    return this.#isShown?.(undefined) === false;
  }
}
