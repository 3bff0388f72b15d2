import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { SseClient } from "../../streaming/delivery/sse/sse-connection.ts";
import { openFeedStream } from "../../streaming/delivery/sse/sse-feed.ts";
import type { Opened } from "../../streaming/delivery/sse/sse-opening.ts";
import { openOperationStream } from "../../streaming/delivery/sse/sse-operation.ts";
import {
  MAX_OPERATIONS,
  openOperationsStream,
} from "../../streaming/delivery/sse/sse-operations.ts";
import { turnAway } from "../../streaming/delivery/sse/sse-turn-away.ts";
import type { StreamContext } from "../../streaming/delivery/stream-context.ts";
import { WATCH_EVENTS, WATCH_OPERATION } from "../descriptions/events.ts";
import { takeSocket } from "../http/take-socket.ts";
import { refusePipelined } from "../http/unanswered-requests.ts";
import {
  EventsQuery,
  eventsWanted,
  OperationEventsQuery,
  OperationPath,
  stepsOf,
} from "../request/query.ts";

/** Server-sent events. The streams write to the socket themselves, head included. */
export const eventsRoutes: FastifyPluginAsyncTypebox<StreamContext> = async (app, context) => {
  const { watches, feeds } = context;

  const answer = async (
    request: FastifyRequest,
    reply: FastifyReply,
    hasRoom: (client: SseClient) => boolean,
    open: (client: SseClient, after: string | undefined) => Promise<Opened>,
  ): Promise<FastifyReply> => {
    const { socket, httpVersionMinor } = request.raw;
    // The stream writes its own head, with what the hooks of the request have set.
    const headers = Object.entries(reply.getHeaders()).map(([name, value]) => `${name}: ${value}`);
    const client = {
      socket,
      takeSocket: () => takeSocket(request.raw, reply.raw),
      chunked: httpVersionMinor > 0,
      headers,
      waitMs: waitMs(request),
      access: request.access,
      requestId: request.id,
    };
    if (socket.destroyed) return reply.hijack();
    // A stream writes to the socket, and would overtake the answer to the request before.
    if (!reply.raw.socket) return refusePipelined(reply, "stream");
    if (!context.connections.hasRoomFor(client) || !hasRoom(client)) turnAway(client, context);
    else if ((await open(client, lastEventId(request))) === "nothing-left") {
      return reply.code(204).send();
    }
    return reply.hijack();
  };

  app.get(
    "/api/operations/:id/events",
    {
      schema: { params: OperationPath, querystring: OperationEventsQuery },
      config: { scope: "operations:read", docs: WATCH_OPERATION },
      exposeHeadRoute: false,
    },
    async (request, reply) => {
      const { id } = request.params;
      const steps = stepsOf(request.query);
      const hasRoom = (client: SseClient) => watches.hasRoomFor(client, 1);
      return answer(request, reply, hasRoom, (client, after) =>
        openOperationStream(context, client, { id, after, steps }),
      );
    },
  );

  app.get(
    "/api/events",
    {
      schema: { querystring: EventsQuery },
      config: { scope: "operations:read", docs: WATCH_EVENTS },
      exposeHeadRoute: false,
    },
    async (request, reply) => {
      const wanted = eventsWanted(request.query, MAX_OPERATIONS);
      const hasRoom = (client: SseClient) =>
        wanted.kind === "feed"
          ? feeds.hasRoomFor(client, wanted.prefix)
          : watches.hasRoomFor(client, wanted.kind === "operations" ? wanted.ids.length : 1);
      return answer(request, reply, hasRoom, async (client, after) => {
        switch (wanted.kind) {
          case "operation":
            return openOperationStream(context, client, { ...wanted, after });
          case "operations":
            return openOperationsStream(context, client, wanted.ids, after);
          case "feed":
            return openFeedStream(context, client, wanted.prefix, after);
        }
      });
    },
  );
};

/** How long a client that polls waits for an event; `undefined` for a stream that stays open. */
function waitMs({ query }: FastifyRequest): number | undefined {
  const { wait } = query as { wait?: string };
  return wait === undefined ? undefined : Number(wait) * 1000;
}

/** Where a client resumes: an EventSource sends a header, which wins over the query. */
function lastEventId(request: FastifyRequest): string | undefined {
  const header = request.headers["last-event-id"];
  if (typeof header === "string" && header !== "") return header;
  return (request.query as { after?: string }).after;
}
