import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import type { FastifyReply, FastifyRequest } from "fastify";
import { reconnectMs } from "../../streaming/delivery/bye.ts";
import { waitForChange } from "../../streaming/delivery/long-poll.ts";
import type { StreamContext } from "../../streaming/delivery/stream-context.ts";
import type { Cursor } from "../../streaming/operation/cursor.ts";
import { documentOf } from "../../streaming/operation/document.ts";
import type { Operation, WholeOperation } from "../../streaming/operation/operation.ts";
import { isTerminal } from "../../streaming/operation/operation-status.ts";
import { GET_OPERATION } from "../descriptions/operation-status.ts";
import { etag, parseIfNoneMatch, parseWait } from "../request/conditions.ts";
import { OperationPath, OperationStatusQuery } from "../request/query.ts";
import { retryAfterS } from "../request/retry-after.ts";
import { whileConnected } from "../request/while-connected.ts";

/** The state of an operation: at once, or with `Prefer: wait` at its next change. */
export const operationStatusRoute: FastifyPluginAsyncTypebox<{ streams: StreamContext }> = async (
  app,
  { streams },
) => {
  const answerStatus = createStatusAnswer(streams);

  app.get(
    "/api/operations/:id",
    {
      schema: { params: OperationPath, querystring: OperationStatusQuery },
      config: { scope: "operations:read", docs: GET_OPERATION },
    },
    (request, reply) => answerStatus(request.params.id, request.query, request, reply),
  );
};

/** What answers a request for the state of operation `id`, whatever its URL was. */
export function createStatusAnswer(streams: StreamContext) {
  const { watches, connections } = streams;

  const answerStatus = async (
    id: string,
    { include = "" }: { readonly include?: string | undefined },
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> => {
    const condition = parseIfNoneMatch(request.headers["if-none-match"], id);
    const seen = condition?.newest;
    const { access } = request;
    const hasRoom = connections.hasRoomFor({ access }) && watches.hasRoomFor({ access }, 1);
    const waitS = hasRoom ? parseWait(request.headers.prefer) : undefined;
    const vary = reply.getHeader("vary"); // `Origin`, where pages of others may read
    reply.header("cache-control", "no-cache").header("vary", vary ? `${vary}, Prefer` : "Prefer");

    if (waitS && seen) {
      const changed = await whileConnected(request, (left) =>
        waitForChange(streams, id, seen, waitS * 1000, left, { access }),
      );
      if (!changed && connections.draining) {
        reply.header("retry-after", retryAfterS(reconnectMs()));
        return notModified(reply, seen);
      }
      // Clients repeat a request with this header at once, so it is sent only if the server waits for
      // such a request: not without a tag, which some proxies remove, not after the end of the
      // operation, and not while draining.
      const waits = changed || !isTerminal(seen.status);
      if (waits) reply.header("preference-applied", `wait=${waitS}`);
      if (!changed) return notModified(reply, seen);
      if (include === "") return answer(reply, changed, changed.json);
      // Events do not carry what is included: it is read, together with a state as new as theirs.
    }
    const whole = await watches.readWhole(id, { access });
    const { operation } = whole;
    if (condition?.matches(operation.cursor))
      return notModified(reply, operation.cursor, operation);
    return answer(reply, operation, include === "" ? whole.json : including(whole, include));
  };

  const answer = (reply: FastifyReply, operation: Operation, json: string): FastifyReply => {
    adviseRetry(reply, operation);
    reply.header("etag", etag(operation.cursor)).type("application/json");
    return reply.send(json);
  };

  const notModified = (
    reply: FastifyReply,
    cursor: Cursor,
    operation?: Operation,
  ): FastifyReply => {
    adviseRetry(reply, operation);
    return reply.code(304).header("etag", etag(cursor)).send();
  };

  const adviseRetry = (reply: FastifyReply, operation: Operation | undefined): void => {
    if (!operation || operation.terminal) return;
    reply.header("retry-after", retryAfterS(watches.intervalMs(operation.id)));
  };

  return answerStatus;
}

/** The document with the input, the stack or both, as `?include=` asks for. */
function including({ operation, input, stack }: WholeOperation, include: string): string {
  return documentOf(operation, {
    input: include.includes("input") ? input : undefined,
    stack: include.includes("stack") ? stack : undefined,
  });
}
