import { type BackOff, createBackOff } from "../back-off.ts";
import { SchedulerError } from "../scheduler-error.ts";

const MIN_MS = 2000;
const MAX_MS = 30_000;

/**
 * Spares a scheduler that refuses the credentials the same call again and again: roles and tokens do not
 * change within milliseconds, and refused calls are throttled in the end.
 *   REFUSAL-1. After a refusal, calls fail at once with the same error until the back-off is over.
 *   REFUSAL-2. The back-off grows with each refusal, and any other answer ends it.
 */
export class Refusals {
  #last: { readonly error: SchedulerError; readonly untilMs: number } | undefined;
  #backOff: BackOff = createBackOff({ minMs: MIN_MS, maxMs: MAX_MS });

  async attempt<Response>(call: () => Promise<Response>): Promise<Response> {
    const sentMs = performance.now();
    if (this.#last && sentMs < this.#last.untilMs) throw this.#last.error; // REFUSAL-1
    try {
      const response = await call();
      this.#end();
      return response;
    } catch (error) {
      if (!(error instanceof SchedulerError) || error.kind !== "refused") this.#end();
      // Calls that were sent together are refused together, and count as one.
      else if (!this.#last || sentMs >= this.#last.untilMs) {
        this.#last = { error, untilMs: performance.now() + this.#backOff.nextMs() };
      }
      throw error;
    }
  }

  #end(): void {
    if (!this.#last) return;
    this.#last = undefined;
    this.#backOff = createBackOff({ minMs: MIN_MS, maxMs: MAX_MS });
  }
}
