import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import { ProblemError } from "../../problems.ts";
import type { StreamContext } from "../../streaming/delivery/stream-context.ts";
import { WsConnection } from "../../streaming/delivery/ws/ws-connection.ts";
import { MAX_SUBSCRIPTIONS } from "../../streaming/delivery/ws/ws-protocol.ts";
import type { Callers } from "../access/authentication.ts";
import { OPEN_WEBSOCKET } from "../descriptions/websocket.ts";
import { releaseHandshake } from "../http/take-socket.ts";
import { refusePipelined } from "../http/unanswered-requests.ts";
import { WEBSOCKET_PATH } from "../http/upgrade.ts";
import { sendProblem } from "../problem-details.ts";
import { operationIdsOf, WebSocketQuery } from "../request/query.ts";

/** The WebSocket endpoint. `streaming/ws-protocol.ts` defines its messages. */
export const websocketRoutes: FastifyPluginAsyncTypebox<{
  readonly streams: StreamContext;
  readonly callers: Callers;
}> = async (app, { streams, callers }) => {
  app.route({
    method: "GET",
    url: WEBSOCKET_PATH,
    schema: { querystring: WebSocketQuery },
    config: { scope: "operations:read", stream: "websocket", docs: OPEN_WEBSOCKET },
    exposeHeadRoute: false,
    // Before the upgrade, while the answer can still be a problem.
    preHandler: async (request) => {
      operationIdsOf(request.query, MAX_SUBSCRIPTIONS);
    },
    handler: (request, reply) => {
      if (request.headers.upgrade?.toLowerCase() === "websocket") {
        return refusePipelined(reply, "WebSocket");
      }
      const detail =
        "This path speaks WebSocket, subprotocol dts-push.v1. Connect with a ws:// URL.";
      reply.header("upgrade", "websocket");
      return sendProblem(reply, new ProblemError("upgrade-required", 426, detail));
    },
    wsHandler: (socket, request) => {
      const hasRoom = streams.connections.hasRoomFor(request);
      releaseHandshake(socket, request.raw.socket);
      const requester = { access: request.access, requestId: request.id };
      const verify = callers.verifierFor(request);
      const connection = new WsConnection(socket, request.raw.socket, requester, verify, streams);
      if (!hasRoom) connection.turnAway();
      else connection.begin(operationIdsOf(request.query, MAX_SUBSCRIPTIONS));
    },
  });
};
