import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { FastifyReply } from "fastify";
import { ProblemError } from "../errors.ts";
import { sendProblem } from "./problem-details.ts";

/** Requests of each socket that have arrived and whose answer is not complete. */
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

/** Whether a request that has not been counted yet is behind one without an answer. */
export function isPipelined({ socket }: IncomingMessage): boolean {
  return (unanswered.get(socket) ?? 0) > 0;
}

/**
 * Refuses a stream or WebSocket behind an unanswered request: it takes the socket over, which the
 * answer to that request still needs. Closes the connection, so that it does not idle.
 */
export function refusePipelined(reply: FastifyReply, what: "stream" | "WebSocket"): FastifyReply {
  const detail = `A ${what} cannot be opened behind an unanswered request. Use another connection.`;
  return sendProblem(
    reply.header("connection", "close"),
    new ProblemError("invalid-request", 400, detail),
  );
}
