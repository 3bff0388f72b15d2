import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { FastifyInstance } from "fastify";

/** When the server is to stop, and how long it may take. */
export interface Closing {
  /** Aborted once the process is about to stop: from then on clients are to find another replica. */
  readonly leaving: AbortSignal;
  /** Time for requests under way once the server closes, in milliseconds. */
  readonly requestsWithinMs: number;
}

/** A connection on which nothing has arrived yet is given this long for its first request. */
const FIRST_REQUEST_MS = 200;

/**
 * Makes `close()` end in time, without an unanswered request. By itself it waits for every
 * connection whose client has not sent all of a request, for as long as that client likes: Node
 * stops its own timeouts when a server closes.
 *   CLOSE-1. From the moment that the process leaves, each answer closes its connection: a client
 *            that kept it would not find another replica.
 *   CLOSE-2. A request that has arrived is answered before its connection is closed. A connection
 *            without one is closed after a moment, since a request may be on its way; browsers open
 *            some ahead that are never used.
 *   CLOSE-3. What is not done by then is cut off. Streams have sent `bye` before.
 */
export function closeInTime(app: FastifyInstance, { leaving, requestsWithinMs }: Closing): void {
  const unused = new Set<Socket>();
  let timer: NodeJS.Timeout | undefined;

  app.server.on("connection", (socket: Socket) => {
    unused.add(socket);
    socket.on("close", forget);
  });
  for (const event of ["request", "upgrade"]) {
    app.server.on(event, ({ socket }: IncomingMessage) => {
      unused.delete(socket);
      socket.off("close", forget);
    });
  }
  function forget(this: Socket) {
    unused.delete(this);
  }

  app.addHook("onSend", async (_request, reply, payload) => {
    if (leaving.aborted) reply.header("connection", "close");
    return payload;
  });
  app.addHook("preClose", async () => {
    if (unused.size > 0) await delay(FIRST_REQUEST_MS);
    for (const socket of unused) if (socket.bytesRead === 0) socket.destroy();
    timer = setTimeout(() => app.server.closeAllConnections(), requestsWithinMs);
  });
  app.addHook("onClose", async () => clearTimeout(timer));
}
