import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import { openFeedStream } from "../streaming/sse-feed.ts";
import type { Opened, SseClient } from "../streaming/sse-opening.ts";
import { openOperationStream } from "../streaming/sse-operation.ts";
import { MAX_OPERATIONS, openOperationsStream } from "../streaming/sse-operations.ts";
import { turnAway } from "../streaming/sse-turn-away.ts";
import type { StreamContext } from "../streaming/stream-context.ts";
import {
  operationIdInPath,
  operationIdOf,
  operationIdsOf,
  prefixOf,
  stepsWanted,
} from "./query.ts";
import { streamedSockets } from "./streamed-sockets.ts";
import { refusePipelined } from "./unanswered-requests.ts";

/** Server-sent events. The streams write to the socket themselves, head included. */
export const eventsRoutes: FastifyPluginAsync<StreamContext> = async (app, context) => {
  const answer = async (
    request: FastifyRequest,
    reply: FastifyReply,
    open: (client: SseClient, after: string | undefined) => Promise<Opened>,
  ): Promise<FastifyReply> => {
    const { socket, httpVersionMinor } = request.raw;
    // The stream writes its own head, with what the hooks of the request have set.
    const headers = Object.entries(reply.getHeaders()).map(([name, value]) => `${name}: ${value}`);
    const client = { socket, chunked: httpVersionMinor > 0, headers };
    if (socket.destroyed) return reply.hijack();
    // A stream writes to the socket, and would overtake the answer to the request before.
    if (!reply.raw.socket) return refusePipelined(reply, "stream");
    if (context.connections.full) turnAway(client, context);
    else if ((await open(client, lastEventId(request))) === "nothing-left") {
      return reply.code(204).send();
    }
    streamedSockets.add(socket);
    return reply.hijack();
  };

  app.get("/api/operations/:id/events", { exposeHeadRoute: false }, async (request, reply) => {
    const id = operationIdInPath(request.params);
    const steps = stepsWanted(request.query);
    return answer(request, reply, (client, after) =>
      openOperationStream(context, client, { id, after, steps }),
    );
  });

  app.get("/api/events", { exposeHeadRoute: false }, async (request, reply) => {
    const steps = stepsWanted(request.query);
    if (steps) {
      const id = operationIdOf(request.query);
      return answer(request, reply, (client, after) =>
        openOperationStream(context, client, { id, after, steps }),
      );
    }
    const ids = operationIdsOf(request.query, MAX_OPERATIONS);
    const prefix = prefixOf(request.query);
    return answer(request, reply, async (client, after) =>
      ids.length > 0
        ? openOperationsStream(context, client, ids, after)
        : openFeedStream(context, client, prefix, after),
    );
  });
};

/** Where a client stopped: an EventSource says so in a header, which wins over the query. */
function lastEventId(request: FastifyRequest): string | undefined {
  const header = request.headers["last-event-id"];
  if (typeof header === "string" && header !== "") return header;
  const { after } = request.query as { after?: string | string[] };
  return typeof after === "string" ? after : undefined;
}
