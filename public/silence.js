/**
 * Detects a stream that is silent. A proxy can hold a connection open and pass nothing on, and an
 * EventSource does not notice that. Missing heartbeats show it.
 *
 *   SILENCE-1. `onSilence` is called once when an open stream brought nothing for `SILENT_INTERVALS`
 *       heartbeat intervals.
 *   SILENCE-2. The interval is the server's own: the longest of the last few gaps between two
 *       heartbeats. The longest, because heartbeats delayed on the way arrive in a bunch.
 *   SILENCE-3. Until two heartbeats have arrived it is assumed, and doubled after each silence: a server
 *       whose heartbeat is slower than we assume must not be cut off for ever.
 *   SILENCE-4. A stream that is being opened gets the default: how soon a server answers, or the browser
 *       tries again, does not depend on the heartbeat.
 */

/** Heartbeat intervals without any event before a stream counts as lost. */
const SILENT_INTERVALS = 2.5;
/** The server's default, in milliseconds. */
const ASSUMED_INTERVAL_MS = 15_000;
const MAX_INTERVAL_MS = 120_000;
const GAPS_KEPT = 3;

export class SilenceDetector {
  #onSilence;
  #assumedMs = ASSUMED_INTERVAL_MS;
  /** @type {number[]} */
  #gapsMs = [];
  /** @type {number | undefined} */
  #lastHeartbeat;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {() => void} onSilence */
  constructor(onSilence) {
    this.#onSilence = onSilence;
  }

  /** A stream is being opened, by the page or once more by the browser. */
  opening() {
    this.#lastHeartbeat = undefined;
    this.#waitFor(ASSUMED_INTERVAL_MS, this.#onSilence); // SILENCE-4
  }

  stop() {
    clearTimeout(this.#timer);
  }

  /** The stream opened, or any event arrived on it. */
  received() {
    if (this.#gapsMs.length > 0) {
      this.#waitFor(Math.max(...this.#gapsMs), this.#onSilence); // SILENCE-2
    } else {
      this.#waitFor(this.#assumedMs, () => {
        this.#assumedMs *= 2; // SILENCE-3
        this.#onSilence();
      });
    }
  }

  /** A heartbeat arrived. */
  heardHeartbeat() {
    const now = performance.now();
    if (this.#lastHeartbeat !== undefined) {
      this.#gapsMs = [...this.#gapsMs, now - this.#lastHeartbeat].slice(-GAPS_KEPT);
    }
    this.#lastHeartbeat = now;
    this.received();
  }

  /**
   * @param {number} intervalMs
   * @param {() => void} onSilence
   */
  #waitFor(intervalMs, onSilence) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(onSilence, SILENT_INTERVALS * Math.min(intervalMs, MAX_INTERVAL_MS)); // SILENCE-1
  }
}
