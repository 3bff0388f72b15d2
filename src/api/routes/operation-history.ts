import { Readable } from "node:stream";
import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Static } from "typebox";
import { ProblemError } from "../../problems.ts";
import type { StreamContext } from "../../streaming/delivery/stream-context.ts";
import { type HistoryWanted, historyDocument } from "../../streaming/steps/history-document.ts";
import type { HistoryReader } from "../../streaming/steps/step-source.ts";
import { GET_HISTORY, GET_HISTORY_BY_QUERY } from "../descriptions/operation-history.ts";
import { piecesOf } from "../http/large-responses.ts";
import { HistoryQuery, OperationHistoryQuery, OperationPath } from "../request/query.ts";

/** Documents sent at a time: each holds a read of the scheduler open. */
const MAX_DOCUMENTS = 16;

/** The history of an operation as one document. */
export const operationHistoryRoute: FastifyPluginAsyncTypebox<{
  readonly scheduler: HistoryReader;
  readonly streams: StreamContext;
}> = async (app, { scheduler, streams: { watches } }) => {
  let underWay = 0;

  app.get(
    "/api/operations/:id/history",
    {
      schema: { params: OperationPath, querystring: OperationHistoryQuery },
      config: { scope: "operations:read", docs: GET_HISTORY },
      exposeHeadRoute: false,
    },
    (request, reply) => answerHistory(request.params.id, request.query, request, reply),
  );
  app.get(
    "/api/history",
    {
      schema: { querystring: HistoryQuery },
      config: { scope: "operations:read", docs: GET_HISTORY_BY_QUERY },
      exposeHeadRoute: false,
    },
    (request, reply) => answerHistory(request.query.operation_id, request.query, request, reply),
  );

  const answerHistory = async (
    id: string,
    query: Static<typeof OperationHistoryQuery>,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> => {
    const { access } = request;
    const wanted: Omit<HistoryWanted, "status"> = {
      id,
      access,
      afterSeq: Number(query.after ?? 0),
      payloads: query.include === "payloads",
    };
    const { cursor: status } = await watches.read(id, { access });
    if (underWay >= MAX_DOCUMENTS) throw new TooManyHistoriesError();
    underWay += 1;
    try {
      await watches.permit();
      const pieces = historyDocument(scheduler, { ...wanted, status });
      // A failure before the first piece is an error response; a later one cuts the document off.
      const first = await pieces.next();
      reply.header("cache-control", "no-cache").type("application/json");
      const body = Readable.from(piecesOf(withFirst(first, pieces)));
      body.once("close", () => {
        underWay -= 1;
      });
      return reply.send(body);
    } catch (error) {
      underWay -= 1;
      throw error;
    }
  };
};

class TooManyHistoriesError extends ProblemError {
  constructor() {
    const detail = "This replica sends as many histories as it can. Try again after Retry-After.";
    super("too-many-histories", 503, detail, { retryAfterS: 5 });
  }
}

async function* withFirst(
  first: IteratorResult<string, void>,
  rest: AsyncIterable<string>,
): AsyncGenerator<string, void, undefined> {
  if (!first.done) yield first.value;
  yield* rest;
}
