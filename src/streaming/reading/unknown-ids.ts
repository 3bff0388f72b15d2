/** How long an id is remembered. */
const REMEMBERED_FOR_MS = 5000;
/** How many are remembered; beyond that the oldest are forgotten. */
const MAX_REMEMBERED = 10_000;

/** Ids that a read has not found lately. */
export class UnknownIds {
  /** With the time until which each is remembered, by `performance.now()`; the oldest first. */
  readonly #untilMs = new Map<string, number>();

  has(id: string): boolean {
    return (this.#untilMs.get(id) ?? 0) > performance.now();
  }

  add(id: string): void {
    this.#untilMs.delete(id);
    this.#untilMs.set(id, performance.now() + REMEMBERED_FOR_MS);
    const [oldest] = this.#untilMs.keys();
    if (this.#untilMs.size > MAX_REMEMBERED && oldest !== undefined) this.#untilMs.delete(oldest);
  }

  delete(id: string): void {
    this.#untilMs.delete(id);
  }
}
