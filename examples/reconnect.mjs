/** What all three transports share: when to try again, how to notice a connection that died without a word, and which
 * refusals are worth another attempt. */

import { setTimeout as sleep } from "node:timers/promises";

/** A server's default, assumed until its first heartbeat tells its own. */
const HEARTBEAT_MS = 15_000;

/** A connection that was silent for so many heartbeats is dead, whatever the socket says (PROTOCOL.md, 4). */
const PATIENCE = 2.5;

const LONGEST_PAUSE_MS = 30_000;

/** The pauses between the attempts of one subscription. */
export class Reconnect {
  #failures = 0;
  /** Until a server has said something. By chance, so that many clients do not come in step. */
  #retryMs = 500 + 1_000 * Math.random();

  /** Takes the server's word for the next pause: `retry:`, `retry_ms` or `Retry-After`. The server draws it for each
   * connection, which keeps clients apart after a deploy. So it is used as it is, and only repeated failure makes it grow. */
  advise(retryMs) {
    if (Number.isFinite(retryMs) && retryMs >= 0) this.#retryMs = retryMs;
  }

  /** To be called when something of worth arrived, not when a connection opens: an open connection proves little. */
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

/** Calls `onSilence` once, if nothing was `heard` for 2.5 heartbeats. */
export class Watchdog {
  #onSilence;
  #timer;

  constructor(onSilence) {
    this.#onSilence = onSilence;
    this.#timer = setTimeout(onSilence, PATIENCE * HEARTBEAT_MS);
  }

  /** Something arrived; a heartbeat among it says when to expect the next one. */
  heard(message) {
    if (message?.type !== "heartbeat") {
      this.#timer.refresh();
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onSilence, PATIENCE * (message.heartbeat_ms ?? HEARTBEAT_MS));
  }

  stop() {
    clearTimeout(this.#timer);
  }
}

/** A server's "no" that another attempt would not change. */
export class RefusedError extends Error {
  name = "RefusedError";
}

/** Reads an answer that is not the one hoped for. Returns its problem document when another attempt is worth while.
 * @throws RefusedError when it is not, with the problem document's words */
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

/** dts-push answers with `application/problem+json`; a proxy in between may answer with anything. */
async function readProblem(response) {
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 200) };
  }
}
