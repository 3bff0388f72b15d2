import type { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { promisify } from "node:util";
import { Gauge, type Registry } from "@prometheus-io/client";
import type { FastifyInstance } from "fastify";

/** How long a handshake may take from its request to an open WebSocket. */
const UPGRADE_WITHIN_MS = 10_000;

/**
 * Every socket that the server has accepted, also those that Node forgets when they are upgraded.
 *   SOCKET-1. Each is counted until it is closed.
 *   SOCKET-2. Each has a deadline until it is served: HTTP's own until a request has arrived, and
 *       after an upgrade one for the WebSocket to open.
 *   SOCKET-3. Each is closed when the server closes: upgraded ones here, the others in `closing.ts`.
 * @param upgrades emits the handshakes
 * @param closedWithinMs time for upgraded sockets to close after the server's `close()`
 */
export function trackSockets(
  app: FastifyInstance,
  registry: Registry,
  upgrades: EventEmitter,
  closedWithinMs: number,
): void {
  /** With the deadline of those that have not become WebSockets yet. */
  const upgraded = new Map<Duplex, NodeJS.Timeout | undefined>();
  let closing: NodeJS.Timeout | undefined;

  upgrades.on("upgrade", (_request: IncomingMessage, socket: Duplex) => {
    const timer = setTimeout(() => socket.destroy(), UPGRADE_WITHIN_MS); // SOCKET-2
    upgraded.set(socket, timer);
    socket.on("close", forget);
  });
  app.websocketServer.on("connection", (_webSocket, { socket }) => {
    if (!upgraded.has(socket)) return; // Not one of ours.
    clearTimeout(upgraded.get(socket));
    upgraded.set(socket, undefined);
  });
  function forget(this: Duplex) {
    clearTimeout(upgraded.get(this));
    upgraded.delete(this);
  }

  new Gauge({
    name: "dts_push_sockets",
    help: "Accepted sockets that are open, idle ones and WebSockets included",
    registers: [registry],
    async collect() {
      this.set(await promisify(app.server.getConnections).call(app.server)); // SOCKET-1
    },
  });

  app.addHook("preClose", async () => {
    closing = setTimeout(() => {
      for (const socket of upgraded.keys()) socket.destroy(); // SOCKET-3
    }, closedWithinMs);
  });
  app.addHook("onClose", async () => clearTimeout(closing));
}
