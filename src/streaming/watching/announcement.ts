import type { IsShown } from "../operation/announced.ts";
import type { Operation } from "../operation/operation.ts";

/** By whom a change was announced: by this process, or by a hint. */
export type Announcer = "process" | "hint";

/** An announced change of one operation. Times by `performance.now()`. */
export class Announcement {
  #atMs = Number.NEGATIVE_INFINITY;
  #isShown: IsShown | undefined;
  #by: Announcer = "process";
  #isMissed = false;

  /** @param isShown whether a state shows it; by default any change does */
  announce(by: Announcer, isShown?: IsShown): void {
    this.#atMs = performance.now();
    this.#by = by;
    this.#isShown = isShown;
  }

  get by(): Announcer {
    return this.#by;
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

  /** A read has found a change that was not announced. Its hint may still be on the way. */
  miss(): void {
    this.#isMissed = true;
  }

  /** Whether that hint has not come by the next read. @param sentAtMs when the read before it was sent */
  isMissing(sentAtMs: number): boolean {
    const isMissing = this.#isMissed && !this.isAfter(sentAtMs);
    this.#isMissed = false;
    return isMissing;
  }
}
