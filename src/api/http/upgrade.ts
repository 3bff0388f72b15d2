import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { WebSocketServer } from "ws";
import { ProblemError } from "../../problems.ts";
import { writeProblem } from "../problem-details.ts";
import { isPipelined } from "./unanswered-requests.ts";

/** The path of the WebSocket endpoint. */
export const WEBSOCKET_PATH = "/api/ws";

/**
 * Whether a request is upgraded to WebSocket. The `Upgrade` header of all others is ignored: some
 * clients offer HTTP/2 with each request, `curl --http2` and Java's among them.
 * @see RFC 9110, section 7.8
 */
export function isWebSocketRequest(request: IncomingMessage): boolean {
  const { method, url = "", headers } = request;
  const path = url.split("?", 1)[0];
  return (
    method === "GET" &&
    path === WEBSOCKET_PATH &&
    headers.upgrade?.toLowerCase() === "websocket" &&
    // The answer to the previous request still needs the socket.
    !isPipelined(request)
  );
}

/** Answers an invalid handshake with a problem, where the library would send a line of HTML. */
export function answerBadHandshakes(server: WebSocketServer): void {
  server.on("wsClientError", (error: Error, socket: Duplex) => {
    // The library's messages name the invalid header, and nothing else.
    const problem = new ProblemError("invalid-request", 400, `${error.message}.`);
    writeProblem(socket, problem, { "sec-websocket-version": "13" });
  });
}
