import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { WebSocketServer } from "ws";
import { ProblemError } from "../errors.ts";
import { writeProblem } from "./problem-details.ts";
import { isPipelined } from "./unanswered-requests.ts";

/** Where a WebSocket may be asked for. */
export const WEBSOCKET_PATH = "/api/ws";

/**
 * Whether a request is to leave HTTP. All others are answered as if they had not asked, as a server
 * may: some clients offer HTTP/2 with each request, `curl --http2` and Java's among them.
 * @see RFC 9110, section 7.8
 */
export function isWebSocketRequest(request: IncomingMessage): boolean {
  const { method, url = "", headers } = request;
  const path = url.split("?", 1)[0];
  return (
    method === "GET" &&
    path === WEBSOCKET_PATH &&
    headers.upgrade?.toLowerCase() === "websocket" &&
    // The answer to the request before still needs the socket.
    !isPipelined(request)
  );
}

/** Answers a handshake that is none, where the library would send a line of HTML. */
export function answerBadHandshakes(server: WebSocketServer): void {
  server.on("wsClientError", (error: Error, socket: Duplex) => {
    // The library's messages name the header at fault, and nothing else.
    const problem = new ProblemError("invalid-request", 400, `${error.message}.`);
    writeProblem(socket, problem, { "sec-websocket-version": "13" });
  });
}
