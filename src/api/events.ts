import type { FastifyPluginAsync, FastifyRequest } from "fastify";
import { parseCursor } from "../streaming/cursor.ts";
import { checkOperationId } from "../streaming/operation-id.ts";
import { openOperationStream } from "../streaming/sse-operation.ts";
import type { StreamContext } from "../streaming/stream-context.ts";

/** Server-sent events. The streams write to the socket themselves, head included. */
export const eventsRoutes: FastifyPluginAsync<StreamContext> = async (app, context) => {
  app.get("/api/operations/:id/events", { exposeHeadRoute: false }, async (request, reply) => {
    const id = checkOperationId((request.params as { id: string }).id);
    const { socket, httpVersionMinor } = request.raw;
    if (socket.destroyed) return reply.hijack();
    const after = parseCursor(lastEventId(request));
    const opening = await openOperationStream(context, socket, httpVersionMinor > 0, id, after);
    if (opening === "nothing-left") return reply.code(204).send();
    return reply.hijack();
  });
};

/** Where a client stopped: an EventSource says so in a header, which wins over the query. */
function lastEventId(request: FastifyRequest): string | undefined {
  const header = request.headers["last-event-id"];
  if (typeof header === "string" && header !== "") return header;
  const { after } = request.query as { after?: string | string[] };
  return typeof after === "string" ? after : undefined;
}
