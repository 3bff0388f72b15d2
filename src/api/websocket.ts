import type { FastifyPluginAsync } from "fastify";
import { ProblemError } from "../errors.ts";
import { checkOperationId } from "../streaming/operation-id.ts";
import type { StreamContext } from "../streaming/stream-context.ts";
import { WsConnection } from "../streaming/ws-connection.ts";
import { sendProblem } from "./problem-details.ts";

/** The WebSocket endpoint. What is said on it is in `streaming/ws-protocol.ts`. */
export const websocketRoutes: FastifyPluginAsync<StreamContext> = async (app, context) => {
  app.route({
    method: "GET",
    url: "/api/ws",
    exposeHeadRoute: false,
    preValidation: async (request) => {
      operationIds(request.query);
    },
    handler: (_request, reply) => {
      const detail =
        "This path speaks WebSocket, subprotocol dts-push.v1. Connect with a ws:// URL.";
      reply.header("upgrade", "websocket");
      return sendProblem(reply, new ProblemError("upgrade-required", 426, detail));
    },
    wsHandler: (socket, request) => {
      const connection = new WsConnection(socket, request.raw.socket, context);
      if (context.connections.draining) connection.bye("drain");
      else connection.subscribeAll(operationIds(request.query));
    },
  });
};

/** The operations to subscribe to at once. @throws InvalidOperationIdError */
function operationIds(query: unknown): string[] {
  const { operation_id: ids } = query as { operation_id?: string | string[] };
  if (ids === undefined) return [];
  return (Array.isArray(ids) ? ids : [ids]).map(checkOperationId);
}
