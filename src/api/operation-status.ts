import type { FastifyPluginAsync, FastifyReply } from "fastify";
import { reconnectMs } from "../streaming/bye.ts";
import { waitForChange } from "../streaming/long-poll.ts";
import type { Operation } from "../streaming/operation.ts";
import { checkOperationId } from "../streaming/operation-id.ts";
import type { StreamContext } from "../streaming/stream-context.ts";
import { type IfNoneMatch, parseIfNoneMatch, parseWait } from "./conditions.ts";
import { retryAfterS } from "./retry-after.ts";

/** Where an operation stands: at once, or with `Prefer: wait` at its next change. */
export const operationStatusRoute: FastifyPluginAsync<{ streams: StreamContext }> = async (
  app,
  { streams },
) => {
  app.get("/api/operations/:id", async (request, reply) => {
    const id = checkOperationId((request.params as { id: string }).id);
    const condition = parseIfNoneMatch(request.headers["if-none-match"]);
    const waitS = parseWait(request.headers.prefer);
    reply.header("cache-control", "no-cache").header("vary", "prefer");
    // A client may ask again at once where this is said, so it is said only where we do wait.
    const waits = waitS !== undefined && !streams.connections.full;
    if (waits) reply.header("preference-applied", `wait=${waitS}`);

    const after = condition?.newest;
    if (waits && waitS > 0 && after) {
      const left = new AbortController();
      const onClose = () => left.abort();
      request.raw.socket.once("close", onClose);
      const changed = await waitForChange(streams, id, after, waitS * 1000, left.signal);
      request.raw.socket.off("close", onClose);
      if (changed) return answer(reply, changed, undefined);
      if (streams.connections.draining) {
        reply.removeHeader("preference-applied").header("retry-after", retryAfterS(reconnectMs()));
      }
      return notModified(reply.header("etag", etag(after.text)));
    }
    return answer(reply, await streams.hub.read(id, after), condition);
  });

  const answer = (
    reply: FastifyReply,
    operation: Operation,
    condition: IfNoneMatch | undefined,
  ): FastifyReply => {
    reply.header("etag", etag(operation.cursor.text));
    if (!operation.terminal) {
      reply.header("retry-after", retryAfterS(streams.hub.intervalMs(operation.id)));
    }
    if (condition?.matches(operation.cursor)) return notModified(reply);
    return reply.type("application/json").send(operation.json);
  };
};

function notModified(reply: FastifyReply): FastifyReply {
  return reply.code(304).send();
}

/** Weak, because a document whose `last_updated` alone moved is not the same to the byte. */
function etag(cursor: string): string {
  return `W/"${cursor}"`;
}
