import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { FastifyReply } from "fastify";
import { ProblemError } from "../../problems.ts";
import { sendProblem } from "../problem-details.ts";

/** Number of requests per socket whose answer is not complete. */
const unanswered = new WeakMap<Duplex, number>();

/** Counts the requests of a server for `isPipelined`. */
export function countUnanswered(server: Server): void {
  server.on("request", ({ socket }: IncomingMessage, response: ServerResponse) => {
    unanswered.set(socket, (unanswered.get(socket) ?? 0) + 1);
    response.once("close", () => {
      unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1);
    });
  });
}

/** Whether a request, not counted yet, has arrived behind an unanswered one. */
export function isPipelined({ socket }: IncomingMessage): boolean {
  return (unanswered.get(socket) ?? 0) > 0;
}

/** Whether another request has arrived behind the one that is being answered. */
export function hasRequestBehind(socket: Duplex): boolean {
  return (unanswered.get(socket) ?? 0) > 1;
}

/**
 * Refuses a stream or WebSocket behind an unanswered request: it would take over the socket, which
 * that answer still needs. Closes the connection, so that it does not stay idle.
 */
export function refusePipelined(reply: FastifyReply, what: "stream" | "WebSocket"): FastifyReply {
  const detail = `A ${what} cannot be opened behind an unanswered request. Use another connection.`;
  return sendProblem(
    reply.header("connection", "close"),
    new ProblemError("invalid-request", 400, detail),
  );
}
