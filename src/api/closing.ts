import type { Socket } from "node:net";
import type { FastifyInstance } from "fastify";

/** How long requests under way may take once the server closes. */
const REQUESTS_WITHIN_MS = 3000;

/**
 * Makes `close()` end in time. By itself it waits for every connection whose client has not sent all
 * of a request, for as long as that client likes: Node stops counting when a server closes.
 *   - A connection on which nothing was ever sent is closed at once. Browsers open them ahead.
 *   - A request under way is answered, and its connection not kept for another. So it is from the
 *     moment that the process drains: a client that keeps its connection would not find another one.
 *   - What is not over by then is cut off. Streams have said goodbye before.
 */
export function closeInTime(
  app: FastifyInstance,
  connections: { readonly draining: boolean },
): void {
  const unused = new Set<Socket>();
  let timer: NodeJS.Timeout | undefined;

  app.server.on("connection", (socket: Socket) => {
    unused.add(socket);
    socket.once("close", forget);
  });
  app.server.on("request", ({ socket }) => unused.delete(socket));
  function forget(this: Socket) {
    unused.delete(this);
  }

  app.addHook("onSend", async (_request, reply, payload) => {
    if (connections.draining) reply.header("connection", "close");
    return payload;
  });
  app.addHook("preClose", async () => {
    for (const socket of unused) if (socket.bytesRead === 0) socket.destroy();
    timer = setTimeout(() => app.server.closeAllConnections(), REQUESTS_WITHIN_MS);
  });
  app.addHook("onClose", async () => clearTimeout(timer));
}
