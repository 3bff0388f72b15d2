import type { Server } from "node:http";
import type { Logger } from "pino";

/** How long the server counts as out of descriptors after the last refused connection. */
const EXHAUSTED_FOR_MS = 5000;

/**
 * Keeps accepted sockets below the process's limit of file descriptors, so that its own files and its
 * connections to the scheduler keep working. Further ones are closed by Node at once; the log has
 * one line for each time that this begins, not one for each connection.
 * @param maxSockets `undefined` where the limit is not known; then the system refuses
 */
export function boundSockets(
  server: Server,
  maxSockets: number | undefined,
  log: Pick<Logger, "error">,
): { readonly exhausted: boolean } {
  let refusedAtMs = Number.NEGATIVE_INFINITY;
  const isExhausted = () => performance.now() - refusedAtMs < EXHAUSTED_FOR_MS;
  const refused = (reason: object) => {
    if (!isExhausted()) {
      log.error(reason, "out of file descriptors, refusing connections. Raise ulimit -n");
    }
    refusedAtMs = performance.now();
  };

  if (maxSockets !== undefined) server.maxConnections = maxSockets;
  server.on("drop", () => refused({ maxSockets }));
  server.on("error", ({ code }: NodeJS.ErrnoException) => {
    if (code === "EMFILE" || code === "ENFILE") refused({ code });
  });
  return {
    get exhausted() {
      return isExhausted();
    },
  };
}
