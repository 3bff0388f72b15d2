/** Follows operations over WebSockets, many on one, over as many connections as that takes (PROTOCOL.md, 5). */

import { Reconnect, RefusedError, Watchdog } from "./reconnect.mjs";

const SUBPROTOCOL = "dts-push.v1";

/** Follows up to 200 operations, the limit of one connection. Resolves when none is left to follow: each has ended, is
 * unknown or was purged. `onDocument` gets each operation document, `onProblem` each problem.
 * @throws RefusedError if the server closes with a code that means "do not reconnect", AbortError by `signal` */
export async function followOverWebSocket(url, ids, { onDocument, onProblem, signal }) {
  const reconnect = new Reconnect();
  /** What is still to be followed, each with its last cursor. Kept over all connections. */
  const cursors = new Map(ids.map((id) => [id, undefined]));
  const conversation = { url, cursors, reconnect, onDocument, onProblem, signal };
  while (cursors.size > 0) {
    const { code, bye } = await converse(conversation);
    signal.throwIfAborted();
    if (cursors.size === 0) return;
    if (!mayReconnect(code, bye)) throw new RefusedError(`WebSocket closed with ${code}`);
    await reconnect.pause(signal);
  }
}

/** By the bye, or without one by the close code: 1000 and 4400–4999 are final, everything else, such as 1006 for a broken
 * network, is worth another attempt. */
function mayReconnect(code, bye) {
  if (bye) return bye.reconnect;
  return code !== 1000 && !(code >= 4400 && code <= 4999);
}

/** One connection, from opening to close. Only a bad URL rejects. */
function converse(conversation) {
  const { url, cursors, reconnect, signal } = conversation;
  const socket = new WebSocket(url, SUBPROTOCOL);
  const { promise, resolve } = Promise.withResolvers();
  const leave = (code) => {
    socket.close();
    resolve({ code }); // without waiting for `close`, which is late on a dead network
  };
  const watchdog = new Watchdog(() => leave(1006));
  const abort = () => leave(1000);
  signal.addEventListener("abort", abort);

  let bye;
  socket.onopen = () => {
    for (const [id, after] of cursors) subscribe(socket, id, after);
  };
  socket.onmessage = ({ data }) => {
    const message = JSON.parse(data);
    watchdog.received(message);
    if (message.type === "bye") {
      bye = message;
      reconnect.advise(message.retry_ms);
    }
    take(message, conversation);
    if (cursors.size === 0) socket.close(1000);
  };
  socket.onclose = ({ code }) => resolve({ code, bye });
  // No onerror: a close always follows.

  return promise.finally(() => {
    watchdog.stop();
    signal.removeEventListener("abort", abort);
    socket.onmessage = null; // ignore what an abandoned socket still delivers
  });
}

/** The operation's id serves as the subscription's name: both are at most 100 characters. */
function subscribe(socket, id, after) {
  socket.send(JSON.stringify({ type: "subscribe", sub: id, operation_id: id, after })); // JSON leaves `after: undefined` out
}

function take(message, { cursors, reconnect, onDocument, onProblem }) {
  switch (message.type) {
    case "snapshot":
    case "update":
      reconnect.succeeded();
      cursors.set(message.sub, message.operation.cursor);
      onDocument(message.operation);
      break;
    case "heartbeat":
      reconnect.succeeded();
      break;
    case "unsubscribed": // terminal, not-found or gone: nothing more will follow
      cursors.delete(message.sub);
      break;
    case "problem":
      onProblem(message);
      // A refused subscription. With a 5xx it stays, and the server retries.
      if (message.sub !== undefined && message.problem.status < 500) cursors.delete(message.sub);
      break;
    default: // subscribed, pong, and types of newer servers
  }
}
