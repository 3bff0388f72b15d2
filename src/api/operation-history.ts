import { Readable } from "node:stream";
import type { FastifyPluginAsync } from "fastify";
import { type HistoryWanted, historyDocument } from "../streaming/history-document.ts";
import { checkOperationId } from "../streaming/operation-id.ts";
import type { HistoryReader } from "../streaming/step-source.ts";
import type { StreamContext } from "../streaming/stream-context.ts";
import { payloadsWanted, sequenceAfter } from "./query.ts";

/** The history of an operation as one document. */
export const operationHistoryRoute: FastifyPluginAsync<{
  readonly scheduler: HistoryReader;
  readonly streams: StreamContext;
}> = async (app, { scheduler, streams: { hub } }) => {
  app.get("/api/operations/:id/history", { exposeHeadRoute: false }, async (request, reply) => {
    const wanted: Omit<HistoryWanted, "status"> = {
      id: checkOperationId((request.params as { id: string }).id),
      afterSeq: sequenceAfter(request.query),
      payloads: payloadsWanted(request.query),
    };
    const { cursor: status } = await hub.read(wanted.id);
    await hub.turn();
    const pieces = historyDocument(scheduler, { ...wanted, status });
    // The first piece decides whether this is an answer at all; what fails later cuts it off.
    const first = await pieces.next();
    const rest = async function* () {
      if (!first.done) yield first.value;
      yield* pieces;
    };
    reply.header("cache-control", "no-cache").type("application/json");
    return reply.send(Readable.from(rest()));
  });
};
