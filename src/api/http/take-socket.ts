import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { WebSocket } from "ws";
import { hasRequestBehind } from "./unanswered-requests.ts";

/** What Node's HTTP server keeps on a socket. It is not public. */
interface HttpSocket extends Socket {
  parser?: { unconsume(): void; remove(): void; close(): void } | null;
  _httpMessage?: ServerResponse | null;
}

/**
 * Takes the socket of a request from Node's HTTP server, which would hold 10 KiB for it until it closes:
 * a parser, its listeners, request and response. Node does the same for an upgrade
 * (`onParserExecuteCommon` in lib/_http_server.js), but has no call for it.
 *   TAKEN-1. Nothing of HTTP is written to the socket any more.
 *   TAKEN-2. What the client still sends is discarded, further requests included: a stream's head says
 *       `connection: close`. When the client ends its side, the socket ends.
 */
export function takeSocket({ socket }: IncomingMessage, response: ServerResponse): Socket {
  const { parser } = socket as HttpSocket;
  if (!parser) return socket; // It has closed meanwhile.
  response.detachSocket(socket);
  for (const event of socket.eventNames()) {
    // HTTP's own listener for it ends the requests that have arrived behind this one.
    if (event !== "close" || !hasRequestBehind(socket)) socket.removeAllListeners(event);
  }
  (socket as HttpSocket).parser = null;
  parser.unconsume();
  parser.remove();
  setImmediate(() => parser.close()); // It may be what called us.
  socket.on("error", ignoreError);
  socket.allowHalfOpen = false; // TAKEN-2
  return socket.resume();
}

/**
 * Releases the request of an open WebSocket: @fastify/websocket assigns a response of its own to the
 * socket and listens for errors with the request, for as long as the WebSocket is open.
 */
export function releaseHandshake(webSocket: WebSocket, socket: HttpSocket): void {
  socket._httpMessage?.detachSocket(socket);
  webSocket.removeAllListeners("error");
  webSocket.on("error", terminate);
}

function terminate(this: WebSocket): void {
  this.terminate();
}

/** The socket closes after it, which is what counts. */
function ignoreError(): void {}
