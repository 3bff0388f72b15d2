import type { Socket } from "node:net";
import type { FastifyInstance } from "fastify";
import { Gauge, type Registry } from "prom-client";

/** How long a handshake may take from its request to an open WebSocket. */
const UPGRADE_WITHIN_MS = 10_000;
/** How long sockets may stay open once the server closes. */
const CLOSED_WITHIN_MS = 3500;

/**
 * Every socket that the server has accepted, WebSockets included, which Node forgets at the upgrade.
 *   SOCKET-1. Each is counted until it is closed.
 *   SOCKET-2. Each has a deadline until it is served: those of HTTP until a request has arrived, and
 *       after an upgrade one for the WebSocket to open.
 *   SOCKET-3. Each is closed when the server closes.
 */
export function trackSockets(app: FastifyInstance, registry: Registry): void {
  const open = new Set<Socket>();
  const deadlines = new WeakMap<Socket, NodeJS.Timeout>();
  let closing: NodeJS.Timeout | undefined;

  app.server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.once("close", () => {
      open.delete(socket);
      clearTimeout(deadlines.get(socket));
    });
  });
  app.server.on("upgrade", (_request, socket) => {
    const timer = setTimeout(() => socket.destroy(), UPGRADE_WITHIN_MS);
    deadlines.set(socket as Socket, timer); // SOCKET-2
  });
  app.websocketServer.on("connection", (_webSocket, { socket }) => {
    clearTimeout(deadlines.get(socket));
  });

  new Gauge({
    name: "dts_push_sockets",
    help: "Accepted sockets that are open, idle ones and WebSockets included",
    registers: [registry],
    collect() {
      this.set(open.size); // SOCKET-1
    },
  });

  app.addHook("preClose", async () => {
    closing = setTimeout(() => {
      for (const socket of open) socket.destroy(); // SOCKET-3
    }, CLOSED_WITHIN_MS);
  });
  app.addHook("onClose", async () => clearTimeout(closing));
}
