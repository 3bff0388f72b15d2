import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { FastifyInstance } from "fastify";
import type { WebSocketServer } from "ws";

/** The header of a request and of its answer. */
export const REQUEST_ID = "x-request-id";
/** The ids of proxies and clients: UUIDs, hexadecimal numbers and the like, and never a token. */
const ACCEPTED = /^[\w.:-]{1,64}$/;

/**
 * The id under which a request appears in log lines, and which its answer repeats: that of a proxy or
 * client where it is acceptable, else a new UUID. It finds lines and proves nothing, since clients choose it.
 */
export function requestId({ headers }: IncomingMessage): string {
  const given = headers[REQUEST_ID];
  const id = typeof given === "string" && ACCEPTED.test(given) ? given : randomUUID();
  headers[REQUEST_ID] = id;
  return id;
}

/** Repeats the ids of requests in their answers, on a server that gives them ids of its own. */
export function repeatIds(app: FastifyInstance): void {
  app.addHook("onRequest", async (request, reply) => {
    request.raw.headers[REQUEST_ID] = request.id;
    reply.header(REQUEST_ID, request.id);
  });
}

/** Repeats the id in the answer to a handshake as well, which Fastify does not write. */
export function repeatInHandshakes(server: WebSocketServer): void {
  server.on("headers", (lines: string[], request: IncomingMessage) => {
    lines.push(`${REQUEST_ID}: ${request.headers[REQUEST_ID]}`);
  });
}
