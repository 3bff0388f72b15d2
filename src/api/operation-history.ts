import { Readable } from "node:stream";
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from "fastify";
import { ProblemError } from "../errors.ts";
import { type HistoryWanted, historyDocument } from "../streaming/history-document.ts";
import type { HistoryReader } from "../streaming/step-source.ts";
import type { StreamContext } from "../streaming/stream-context.ts";
import { operationIdInPath, operationIdOf, payloadsWanted, sequenceAfter } from "./query.ts";

/** Documents under way at a time: each holds a read of the scheduler open. */
const MAX_DOCUMENTS = 16;
/** How long a client may take none of what it is sent. */
const STALLED_MS = 10_000;

/** The history of an operation as one document. */
export const operationHistoryRoute: FastifyPluginAsync<{
  readonly scheduler: HistoryReader;
  readonly streams: StreamContext;
}> = async (app, { scheduler, streams: { hub } }) => {
  let underWay = 0;

  app.get("/api/operations/:id/history", { exposeHeadRoute: false }, (request, reply) =>
    answerHistory(operationIdInPath(request.params), request, reply),
  );
  app.get("/api/history", { exposeHeadRoute: false }, (request, reply) =>
    answerHistory(operationIdOf(request.query), request, reply),
  );

  const answerHistory = async (id: string, request: FastifyRequest, reply: FastifyReply) => {
    const wanted: Omit<HistoryWanted, "status"> = {
      id,
      afterSeq: sequenceAfter(request.query),
      payloads: payloadsWanted(request.query),
    };
    const { cursor: status } = await hub.read(wanted.id);
    if (underWay >= MAX_DOCUMENTS) throw new TooManyHistoriesError();
    underWay += 1;
    try {
      await hub.turn();
      const pieces = historyDocument(scheduler, { ...wanted, status });
      // The first piece decides whether this is an answer at all; what fails later cuts it off.
      const first = await pieces.next();
      reply.header("cache-control", "no-cache").type("application/json");
      const body = Readable.from(withDeadline(first, pieces, () => reply.raw.destroy()));
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

/** All pieces, each to be taken within 10 s. */
async function* withDeadline(
  first: IteratorResult<string, void>,
  rest: AsyncIterable<string>,
  onStalled: () => void,
): AsyncGenerator<string, void, undefined> {
  let timer: NodeJS.Timeout | undefined;
  try {
    timer = setTimeout(onStalled, STALLED_MS);
    if (!first.done) yield first.value;
    clearTimeout(timer);
    for await (const piece of rest) {
      timer = setTimeout(onStalled, STALLED_MS);
      yield piece;
      clearTimeout(timer);
    }
  } finally {
    clearTimeout(timer);
  }
}
