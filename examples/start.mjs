/** Starts operations (PROTOCOL.md, 3). */

import { considerRefusal, Reconnect } from "./reconnect.mjs";

/** Requests at a time: a client is not alone in the world. */
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

/** Starts one operation, whatever it takes, and returns its id.
 * If the network breaks before the answer came, the operation may exist under an id that nobody told us. This program
 * can live with a lost one and starts another; yours perhaps cannot. */
async function startOperation(url, body, signal) {
  const reconnect = new Reconnect();
  for (;;) {
    try {
      const response = await fetch(new URL("api/start-operation", url), {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
        signal,
      });
      if (response.status === 202) return (await response.json()).operation_id;
      // A 503 with an id: the scheduler did not answer, and may have begun all the same.
      const { operation_id: id } = await considerRefusal(response, reconnect);
      if (id !== undefined && (await exists(url, id, signal))) return id;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof TypeError)) throw error; // fetch reports network faults as TypeErrors
    }
    await reconnect.pause(signal);
  }
}

async function exists(url, id, signal) {
  const reconnect = new Reconnect();
  for (;;) {
    const response = await fetch(new URL(`api/operations/${encodeURIComponent(id)}`, url), {
      signal,
    });
    if (response.status === 200 || response.status === 404) {
      await response.text();
      return response.status === 200;
    }
    await considerRefusal(response, reconnect);
    await reconnect.pause(signal);
  }
}
