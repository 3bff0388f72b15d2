/**
 * Up to when a view knows what it shows. While it is live that is now. In an outage an active operation may have ended
 * since, so its running time stops at the last moment of which that is known: the indicator names it.
 *
 * @typedef {import("../client/client.js").ConnectionState} ConnectionState
 */
export class Known {
  #isOutage = false;
  #asOfMs = 0;

  /** @param {ConnectionState} state */
  take(state) {
    if (state.kind === "live" || state.kind === "stale") {
      this.#isOutage = state.kind === "stale";
      if (state.as_of !== null) this.#asOfMs = Date.parse(state.as_of);
      // A pause without an error is a planned reconnect, of seconds: running times would jump back and forth.
    } else if (state.kind === "retrying" && state.error !== undefined) this.#isOutage = true;
  }

  /** In epoch milliseconds. */
  get untilMs() {
    return this.#isOutage ? Math.min(this.#asOfMs, Date.now()) : Date.now();
  }
}
