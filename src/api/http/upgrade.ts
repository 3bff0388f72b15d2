import { EventEmitter } from "node:events";
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import websocket from "@fastify/websocket";
import type { FastifyInstance } from "fastify";
import type { WebSocketServer } from "ws";
import { ProblemError } from "../../problems.ts";
import { SUBPROTOCOL } from "../../streaming/delivery/ws/ws-protocol.ts";
import { repeatInHandshakes } from "../observability/request-id.ts";
import { writeProblem } from "../problem-details.ts";
import { isPipelined } from "./unanswered-requests.ts";

/** The library's own limit. Messages over ours of 64 KiB get a problem before the connection closes. */
const MAX_FRAME_BYTES = 1024 * 1024;

/** The path of the WebSocket endpoint. */
export const WEBSOCKET_PATH = "/api/ws";

/**
 * Whether a request is upgraded to WebSocket. The `Upgrade` header of all others is ignored: some
 * clients offer HTTP/2 with each request, `curl --http2` and Java's among them.
 * @see RFC 9110, section 7.8
 */
export function isWebSocketRequest(request: IncomingMessage): boolean {
  const { method, url = "", headers } = request;
  return (
    method === "GET" &&
    isPath(url, WEBSOCKET_PATH) &&
    headers.upgrade?.toLowerCase() === "websocket" &&
    // The answer to the previous request still needs the socket.
    !isPipelined(request)
  );
}

/**
 * Accepts WebSockets on `app`, unless it does already.
 * @param upgrades emits the handshakes
 */
export async function acceptWebSockets(
  app: FastifyInstance,
  upgrades: EventEmitter = app.server,
): Promise<void> {
  if (app.hasDecorator("websocketServer")) return;
  await app.register(websocket, {
    options: {
      server: upgrades as Server,
      maxPayload: MAX_FRAME_BYTES,
      perMessageDeflate: false,
      handleProtocols: (offered: Set<string>) => offered.has(SUBPROTOCOL) && SUBPROTOCOL,
    },
  });
  answerBadHandshakes(app.websocketServer);
  repeatInHandshakes(app.websocketServer);
}

/**
 * The handshakes for `path` of a server that others may use as well: what is not for `path` is left to
 * other listeners, if there are any.
 */
export function handshakesFor(app: FastifyInstance, path: string): EventEmitter {
  const { server } = app;
  const own = new EventEmitter();
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const isAlone = server.listenerCount("upgrade") === 1;
    if (!isAlone && !isPath(request.url, path)) return;
    // The answer to the previous request still needs the socket.
    if (isPipelined(request)) socket.destroy();
    else own.emit("upgrade", request, socket, head);
  };
  server.on("upgrade", onUpgrade);
  app.addHook("onClose", async () => void server.off("upgrade", onUpgrade));
  return own;
}

function isPath(url = "", path: string): boolean {
  return url.split("?", 1)[0] === path;
}

/** Answers an invalid handshake with a problem, where the library would send a line of HTML. */
function answerBadHandshakes(server: WebSocketServer): void {
  server.on("wsClientError", (error: Error, socket: Duplex) => {
    // The library's messages name the invalid header, and nothing else.
    const problem = new ProblemError("invalid-request", 400, `${error.message}.`);
    writeProblem(socket, problem, { "sec-websocket-version": "13" });
  });
}
