/**
 * A tab's right to keep a stream open. Under HTTP/1.1 a browser opens six connections to a server,
 * in all tabs together. If streams occupied all of them, the next tab would not even load.
 *
 *   SLOT-1. At most `STREAMS_PER_BROWSER` tabs hold a slot, and each tab holds at most one.
 *   SLOT-2. A slot is a Web Lock: the browser frees it when its tab is closed or crashes.
 *
 * Browsers offer Web Locks on HTTPS and on localhost only, and can refuse them as they can refuse
 * storage. There every tab has a stream.
 */

/** Leaves two of the six connections to page loads and requests. */
const STREAMS_PER_BROWSER = 4;

export class StreamSlot {
  /** @type {(() => void) | undefined} */
  #release;
  /** Whether the slot is to be kept when a pending `take` gets one. */
  #wanted = false;
  /** @type {Promise<boolean> | undefined} */
  #taking;

  /** @returns {Promise<boolean>} whether this tab holds a slot now */
  take() {
    this.#wanted = true;
    this.#taking ??= this.#takeAny().finally(() => {
      this.#taking = undefined;
    });
    return this.#taking; // one attempt at a time (SLOT-1)
  }

  release() {
    this.#wanted = false;
    this.#release?.();
    this.#release = undefined;
  }

  async #takeAny() {
    try {
      for (let number = 1; number <= STREAMS_PER_BROWSER && !this.#release; number++) {
        this.#release = await lockNow(`dts-push.stream.${number}`);
      }
    } catch {
      return true; // no Web Locks here
    }
    if (!this.#wanted) this.release();
    return this.#release !== undefined;
  }
}

/**
 * @param {string} name
 * @returns {Promise<(() => void) | undefined>} the function that unlocks; nothing if another tab has the
 *   lock. Rejects where there are no Web Locks.
 */
function lockNow(name) {
  return new Promise((resolve, reject) => {
    // The lock is held until the promise that this callback returns is settled.
    navigator.locks
      .request(name, { ifAvailable: true }, (lock) =>
        lock ? new Promise((unlock) => resolve(() => unlock(undefined))) : resolve(undefined),
      )
      .catch(reject);
  });
}
