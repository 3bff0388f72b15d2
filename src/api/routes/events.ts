import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import type { FastifyRequest } from "fastify";
import { openFeedStream } from "../../streaming/delivery/sse/sse-feed.ts";
import { openOperationStream } from "../../streaming/delivery/sse/sse-operation.ts";
import {
  MAX_OPERATIONS,
  openOperationsStream,
} from "../../streaming/delivery/sse/sse-operations.ts";
import type { StreamContext } from "../../streaming/delivery/stream-context.ts";
import { WATCH_EVENTS, WATCH_OPERATION } from "../descriptions/events.ts";
import { answerWithStream } from "../http/event-stream.ts";
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

  app.get(
    "/api/operations/:id/events",
    {
      schema: { params: OperationPath, querystring: OperationEventsQuery },
      config: { scope: "operations:read", stream: "sse", docs: WATCH_OPERATION },
      exposeHeadRoute: false,
    },
    async (request, reply) => {
      const { id } = request.params;
      const steps = stepsOf(request.query);
      const after = lastEventId(request);
      return answerWithStream(context, request, reply, {
        waitMs: waitMs(request),
        hasRoom: (client) => watches.hasRoomFor(client, 1),
        open: (client) => openOperationStream(context, client, { id, after, steps }),
      });
    },
  );

  app.get(
    "/api/events",
    {
      schema: { querystring: EventsQuery },
      config: { scope: "operations:read", stream: "sse", docs: WATCH_EVENTS },
      exposeHeadRoute: false,
    },
    async (request, reply) => {
      const wanted = eventsWanted(request.query, MAX_OPERATIONS);
      const after = lastEventId(request);
      return answerWithStream(context, request, reply, {
        waitMs: waitMs(request),
        hasRoom: (client) =>
          wanted.kind === "feed"
            ? feeds.hasRoomFor(client, wanted.prefix)
            : watches.hasRoomFor(client, wanted.kind === "operations" ? wanted.ids.length : 1),
        open: async (client) => {
          switch (wanted.kind) {
            case "operation":
              return openOperationStream(context, client, { ...wanted, after });
            case "operations":
              return openOperationsStream(context, client, wanted, after);
            case "feed":
              return openFeedStream(context, client, wanted, after);
          }
        },
      });
    },
  );
};

/** How long a client that polls waits for an event; `undefined` for a stream that stays open. */
function waitMs({ query }: FastifyRequest): number | undefined {
  const { wait } = query as { wait?: string };
  return wait === undefined ? undefined : Number(wait) * 1000;
}

/** The id at which a client resumes: an EventSource sends a header, which wins over the query. */
function lastEventId(request: FastifyRequest): string | undefined {
  const header = request.headers["last-event-id"];
  if (typeof header === "string" && header !== "") return header;
  const { after } = request.query as { after?: string | string[] };
  return typeof after === "string" ? after : undefined;
}
