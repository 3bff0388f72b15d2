import { type FastifyPluginAsyncTypebox, Type } from "@fastify/type-provider-typebox";
import { SAMPLE_ORCHESTRATION } from "../../../sample.ts";
import { START_SAMPLE } from "../../descriptions/start.ts";
import { NoQuery } from "../../request/query.ts";
import { OperationId } from "../../schemas/positions.ts";
import type { Start } from "./starter.ts";

const Body = Type.Object(
  {
    /** A client that chooses it can repeat a start safely. */
    operation_id: Type.Optional(OperationId),
    processing_time: Type.Integer({
      minimum: 0,
      maximum: 86_400,
      default: 5,
      description: "the whole seconds that the operation takes, 0 to 86,400",
    }),
    /** Default: one a second, at least 1 and at most 10. */
    steps: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        description: "the number of its progress reports, 1 to 1,000",
      }),
    ),
  },
  { examples: [{ processing_time: 10 }] },
);

/** Starting an operation, as in the sample's API. */
export const startOperationRoute: FastifyPluginAsyncTypebox<{ readonly start: Start }> = async (
  app,
  { start },
) => {
  app.post(
    "/api/start-operation",
    {
      schema: { querystring: NoQuery, body: Body },
      config: { scope: "operations:start", docs: START_SAMPLE },
    },
    (request, reply) => {
      const { operation_id: chosenId, processing_time, steps } = request.body;
      return start(request, reply, {
        name: SAMPLE_ORCHESTRATION,
        chosenId,
        inputOf: (operation_id) =>
          JSON.stringify({ operation_id, processing_time, ...(steps !== undefined && { steps }) }),
      });
    },
  );
};
