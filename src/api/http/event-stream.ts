import type { FastifyReply, FastifyRequest } from "fastify";
import type { SseClient } from "../../streaming/delivery/sse/sse-connection.ts";
import type { Opened } from "../../streaming/delivery/sse/sse-opening.ts";
import { turnAway } from "../../streaming/delivery/sse/sse-turn-away.ts";
import type { StreamContext } from "../../streaming/delivery/stream-context.ts";
import { endSpan } from "../observability/request-span.ts";
import { takeSocket } from "./take-socket.ts";
import { refusePipelined } from "./unanswered-requests.ts";

/** A stream that a request asks for. */
export interface StreamWanted {
  /** How long a client that polls waits for an event. Default: the stream stays open. */
  readonly waitMs?: number | undefined;
  /** Whether this process can follow what it carries. */
  hasRoom(client: SseClient): boolean;
  open(client: SseClient): Promise<Opened>;
}

/**
 * Answers a request with server-sent events. The stream writes to the socket itself, head included.
 * Everything up to `open` happens at once.
 */
export async function answerWithStream(
  context: StreamContext,
  request: FastifyRequest,
  reply: FastifyReply,
  { waitMs, hasRoom, open }: StreamWanted,
): Promise<FastifyReply> {
  const { socket, httpVersionMinor } = request.raw;
  // The stream writes its own head, with what the route and the hooks of the request have set.
  const headers = Object.entries(reply.getHeaders()).map(([name, value]) => `${name}: ${value}`);
  const client = {
    socket,
    takeSocket: () => takeSocket(request.raw, reply.raw),
    chunked: httpVersionMinor > 0,
    headers,
    waitMs,
    access: request.access,
    requestId: request.id,
  };
  if (socket.destroyed) return reply.hijack();
  // A stream writes to the socket, and would overtake the answer to the request before.
  if (!reply.raw.socket) return refusePipelined(reply, "stream");
  if (!context.connections.hasRoomFor(client) || !hasRoom(client)) turnAway(client, context);
  else if ((await open(client)) === "nothing-left") return reply.code(204).send();
  endSpan(request, 200);
  return reply.hijack();
}
