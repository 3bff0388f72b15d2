/** What all three transports share: when to reconnect, how to detect a dead connection, and which refusals are worth
 * another attempt. */

import { setTimeout as sleep } from "node:timers/promises";

/** The server's default, assumed until its first heartbeat. */
const HEARTBEAT_MS = 15_000;

/** A connection on which nothing arrived for so many heartbeats is dead, whatever the socket says (PROTOCOL.md, 4). */
const MISSED_HEARTBEATS = 2.5;

const LONGEST_PAUSE_MS = 30_000;

/** The pauses between the attempts of one subscription. */
export class Reconnect {
  #failures = 0;
  /** Used until the server sends one. Random, so that many clients do not reconnect at once. */
  #retryMs = 500 + 1_000 * Math.random();

  /** Sets the next pause to what the server sent: `retry:`, `retry_ms` or `Retry-After`. The server draws it per connection,
   * which spreads clients after a deploy. So it is used as it is, and grows only with repeated failures. */
  advise(retryMs) {
    if (Number.isFinite(retryMs) && retryMs >= 0) this.#retryMs = retryMs;
  }

  /** To be called when an event arrived, not when a connection opens, which proves little. */
  succeeded() {
    this.#failures = 0;
  }

  /** @throws AbortError when `signal` aborts */
  async pause(signal) {
    const grownMs = this.#retryMs * 2 ** Math.min(this.#failures++, 10);
    await sleep(Math.max(this.#retryMs, Math.min(grownMs, LONGEST_PAUSE_MS)), undefined, {
      signal,
    });
  }
}

/** Calls `onSilence` once, if `received` was not called for 2.5 heartbeats. */
export class Watchdog {
  #onSilence;
  #timer;

  constructor(onSilence) {
    this.#onSilence = onSilence;
    this.#timer = setTimeout(onSilence, MISSED_HEARTBEATS * HEARTBEAT_MS);
  }

  /** Something arrived; a heartbeat says when to expect the next one. */
  received(message) {
    if (message?.type !== "heartbeat") {
      this.#timer.refresh();
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(
      this.#onSilence,
      MISSED_HEARTBEATS * (message.heartbeat_ms ?? HEARTBEAT_MS),
    );
  }

  stop() {
    clearTimeout(this.#timer);
  }
}

/** A refusal that another attempt would not change. */
export class RefusedError extends Error {
  name = "RefusedError";
}

/** Reads an error response. Returns its problem document if another attempt is worth while.
 * @throws RefusedError if it is not, with the problem's detail */
export async function considerRefusal(response, reconnect) {
  const problem = await readProblem(response);
  if (response.status === 408 || response.status === 429 || response.status >= 500) {
    reconnect.advise(retryAfterMs(response));
    return problem;
  }
  throw new RefusedError(`${response.status} from ${response.url}: ${problem.detail}`);
}

/** `Retry-After` in milliseconds, or `undefined`. */
export function retryAfterMs(response) {
  const seconds = response.headers.get("retry-after");
  return seconds === null ? undefined : 1_000 * Number(seconds);
}

/** dts-push sends `application/problem+json`; a proxy may send anything. */
async function readProblem(response) {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 200) };
  }
}
