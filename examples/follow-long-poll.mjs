/** Follows one operation by long-polling, for networks that let nothing else through (PROTOCOL.md, 3). */

import { considerRefusal, Reconnect, retryAfterMs } from "./reconnect.mjs";

/** How long the server may hold a request: less than the 30 s after which some proxies cut it. */
const WAIT_S = 25;
/** The time after which a request has failed. */
const ANSWER_WITHIN_MS = (WAIT_S + 10) * 1_000;

const LIVE = ["PENDING", "RUNNING", "SUSPENDED"];

/** Whether the operation of `document` has ended. */
export function isOver(document) {
  return !LIVE.includes(document.status);
}

/** Resolves when the operation has ended; `onDocument` gets each document.
 * @throws RefusedError when there is no such operation, AbortError by `signal` */
export async function followByLongPoll(url, { onDocument, signal }) {
  const reconnect = new Reconnect();
  let etag;
  for (;;) {
    const answer = await ask(url, etag, reconnect, signal);
    // The first request has no tag, and the server does not wait without one.
    const isFirst = etag === undefined;
    if (answer.document) {
      etag = answer.etag;
      onDocument(answer.document);
      if (isOver(answer.document)) return;
    }
    if (!answer.askAgainAtOnce && !(isFirst && answer.document)) await reconnect.pause(signal);
  }
}

/** One request. Without a document there is nothing new. */
async function ask(url, etag, reconnect, signal) {
  const headers = { prefer: `wait=${WAIT_S}` };
  if (etag !== undefined) headers["if-none-match"] = etag;
  try {
    const response = await fetch(url, {
      headers,
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
      cache: "no-store", // a cache in between would answer our If-None-Match in the server's place
    });
    if (response.status !== 200 && response.status !== 304) {
      await considerRefusal(response, reconnect);
      return { askAgainAtOnce: false };
    }
    return await readAnswer(response, reconnect);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof TypeError || error.name === "TimeoutError")
      return { askAgainAtOnce: false };
    throw error;
  }
}

async function readAnswer(response, reconnect) {
  reconnect.succeeded();
  // Without `Preference-Applied` the server did not wait, perhaps because a proxy has removed our tag. To repeat such a
  // request at once would be a tight loop, so the next one comes after `Retry-After`.
  const waits = response.headers.has("preference-applied");
  reconnect.advise(retryAfterMs(response));
  if (response.status === 304) {
    await response.text();
    return { askAgainAtOnce: waits };
  }
  return {
    document: await response.json(),
    etag: response.headers.get("etag"),
    askAgainAtOnce: waits,
  };
}
