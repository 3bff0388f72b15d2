/** Starts operations (PROTOCOL.md, 3). */

import { randomUUID } from "node:crypto";
import { considerRefusal, Reconnect } from "./reconnect.mjs";

/** Requests at a time, to leave room for other clients. */
const AT_ONCE = 8;

/** Starts `count` operations and returns their ids. */
export async function startOperations(count, url, body, signal) {
  const ids = [];
  let begun = 0;
  const startInTurn = async () => {
    while (begun++ < count) ids.push(await startOperation(url, body, signal));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, startInTurn));
  return ids;
}

/** Starts one operation, in as many attempts as that takes, and returns its id. The id is chosen here: an attempt whose
 * answer was lost may have started the operation, and the next one must not start another. */
async function startOperation(url, body, signal) {
  const id = randomUUID();
  const reconnect = new Reconnect();
  for (;;) {
    try {
      const response = await fetch(new URL("api/start-operation", url), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ ...body, operation_id: id }),
        signal,
      });
      // 409 operation-exists: an earlier attempt has started it.
      if (response.status === 202 || response.status === 409) {
        await response.text();
        return id;
      }
      await considerRefusal(response, reconnect);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TypeError)) throw error; // fetch reports network faults as TypeErrors
    }
    await reconnect.pause(signal);
  }
}
