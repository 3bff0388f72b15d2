import type { FastifyPluginAsync } from "fastify";
import { ProblemError } from "../errors.ts";
import type { StreamContext } from "../streaming/stream-context.ts";
import { WsConnection } from "../streaming/ws-connection.ts";
import { MAX_SUBSCRIPTIONS } from "../streaming/ws-protocol.ts";
import { sendProblem } from "./problem-details.ts";
import { operationIdsOf } from "./query.ts";
import { refusePipelined } from "./unanswered-requests.ts";
import { WEBSOCKET_PATH } from "./upgrade.ts";

/** The WebSocket endpoint. What is said on it is in `streaming/ws-protocol.ts`. */
export const websocketRoutes: FastifyPluginAsync<StreamContext> = async (app, context) => {
  app.route({
    method: "GET",
    url: WEBSOCKET_PATH,
    exposeHeadRoute: false,
    preValidation: async (request) => {
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
      const connection = new WsConnection(socket, request.raw.socket, context);
      if (context.connections.full) connection.turnAway();
      else connection.subscribeAll(operationIdsOf(request.query, MAX_SUBSCRIPTIONS));
    },
  });
};
