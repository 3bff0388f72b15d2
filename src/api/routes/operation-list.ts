import type { FastifyPluginAsyncTypebox } from "@fastify/type-provider-typebox";
import type { Streaming } from "../../streaming/streaming.ts";
import { LIST_OPERATIONS } from "../descriptions/operation-status.ts";
import { OperationsQuery, operationsWanted } from "../request/operations-query.ts";
import { createStatusAnswer } from "./operation-status.ts";

/** The operations of the task hub, page by page; with `operation_id`, one of them. */
export const operationListRoute: FastifyPluginAsyncTypebox<{ streams: Streaming }> = async (
  app,
  { streams },
) => {
  const answerStatus = createStatusAnswer(streams);

  app.get(
    "/api/operations",
    {
      schema: { querystring: OperationsQuery },
      config: { scope: "operations:read", docs: LIST_OPERATIONS },
    },
    async (request, reply) => {
      const wanted = operationsWanted(request.query);
      if (wanted.kind === "operation") return answerStatus(wanted.id, wanted, request, reply);
      const { query, options } = wanted;
      const page = await streams.lists.page(query, options, { access: request.access });
      return reply.header("cache-control", "no-cache").type("application/json").send(page);
    },
  );
};
