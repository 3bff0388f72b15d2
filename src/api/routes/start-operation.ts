import { randomUUID } from "node:crypto";
import { type FastifyPluginAsyncTypebox, Type } from "@fastify/type-provider-typebox";
import type { NewOrchestration } from "../../dts/commands.ts";
import { SchedulerError } from "../../dts/scheduler-error.ts";
import { ProblemError, SchedulerProblemError } from "../../problems.ts";
import { SAMPLE_ORCHESTRATION } from "../../sample.ts";
import { START_SAMPLE } from "../descriptions/sample.ts";
import { operationUrls } from "../request/operation-urls.ts";
import { NoQuery } from "../request/query.ts";
import { retryAfterS } from "../request/retry-after.ts";
import { OperationId } from "../schemas/positions.ts";

/** What this route needs from the rest of the system, and nothing more. */
export interface StartOperationOptions {
  readonly scheduler: {
    startOrchestration(start: NewOrchestration): Promise<void>;
  };
  readonly streams: {
    /** An operation was started. */
    changed(id: string): void;
    readonly watches: {
      /** After how long a read may find something new, in milliseconds. */
      intervalMs(id: string): number;
    };
  };
}

const Body = Type.Object({
  /** The id of the new operation. A client that chooses it can repeat a start safely. */
  operation_id: Type.Optional(OperationId),
  /** Seconds the operation takes in all. */
  processing_time: Type.Integer({ minimum: 0, maximum: 86_400, default: 5 }),
  /** Progress reports it makes. Default: one a second, at least 1 and at most 10. */
  steps: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
});

/** Starting an operation, as in the sample's API. */
export const startOperationRoute: FastifyPluginAsyncTypebox<StartOperationOptions> = async (
  app,
  { scheduler, streams },
) => {
  app.post(
    "/api/start-operation",
    {
      schema: { querystring: NoQuery, body: Body },
      config: { scope: "operations:start", docs: START_SAMPLE },
    },
    async (request, reply) => {
      const { operation_id: chosen, processing_time, steps } = request.body;
      const operation_id = chosen ?? randomUUID();
      request.access.checkStart(SAMPLE_ORCHESTRATION, operation_id);
      request.startedId = operation_id;
      const input = { operation_id, processing_time, ...(steps !== undefined && { steps }) };
      try {
        await scheduler.startOrchestration({
          id: operation_id,
          name: SAMPLE_ORCHESTRATION,
          input: JSON.stringify(input),
        });
      } catch (error) {
        const exists = error instanceof SchedulerError && error.kind === "already-exists";
        if (exists && chosen !== undefined) throw new OperationExistsError(operation_id);
        // A generated id is in use only by our own call, which the channel repeats if its answer is lost.
        // Without any answer the operation may exist, so the client gets its id.
        if (!exists) throw new SchedulerProblemError(error, { operation_id });
      }
      streams.changed(operation_id);
      const { status_url, events_url } = operationUrls(operation_id);
      return reply
        .code(202)
        .header("location", status_url)
        .header("retry-after", retryAfterS(streams.watches.intervalMs(operation_id)))
        .send({ operation_id, status_url, events_url });
    },
  );
};

class OperationExistsError extends ProblemError {
  constructor(id: string) {
    const detail =
      `An operation ${id} exists. If this request repeats a start, it is the operation that was ` +
      "started; otherwise choose another id.";
    super("operation-exists", 409, detail, { operation_id: id });
  }
}
