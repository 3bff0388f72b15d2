import { randomUUID } from "node:crypto";
import { type FastifyPluginAsyncTypebox, Type } from "@fastify/type-provider-typebox";
import { SchedulerUnavailableError } from "../errors.ts";
import type { Operation } from "../streaming/operation.ts";
import { checkOperationId } from "../streaming/operation-id.ts";

/** What these routes need from the rest of the system, and nothing more. */
export interface OperationsOptions {
  readonly scheduler: {
    startOrchestration(name: string, input: unknown, id: string): Promise<void>;
  };
  readonly operations: {
    /** @throws OperationNotFoundError, SchedulerUnavailableError */
    read(id: string): Promise<Operation>;
    /** After how long a further read may find something new. */
    intervalMs(id: string): number;
    wake(id: string): void;
  };
}

/** The orchestration that serves the sample's API, here and in Microsoft's Python sample. */
const ORCHESTRATION = "async_http_api_orchestrator";

const StartBody = Type.Object({
  /** Seconds the operation takes in all. */
  processing_time: Type.Integer({ minimum: 0, maximum: 86_400, default: 5 }),
  /** Progress reports it makes. Default: one a second, at least 1 and at most 10. */
  steps: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
});

/** Starting an operation and asking for its state: the sample's API. */
export const operationsRoutes: FastifyPluginAsyncTypebox<OperationsOptions> = async (
  app,
  { scheduler, operations },
) => {
  app.post("/api/start-operation", { schema: { body: StartBody } }, async (request, reply) => {
    const { processing_time, steps } = request.body;
    const operation_id = randomUUID();
    const input = { operation_id, processing_time, ...(steps !== undefined && { steps }) };
    try {
      await scheduler.startOrchestration(ORCHESTRATION, input, operation_id);
    } catch (error) {
      // Without an answer it may yet have been started, so the client is told under which id.
      throw new SchedulerUnavailableError(error, { operation_id });
    }
    operations.wake(operation_id);
    const status_url = `/api/operations/${operation_id}`;
    return reply
      .code(202)
      .header("location", status_url)
      .header("retry-after", retryAfterS(operations.intervalMs(operation_id)))
      .send({ operation_id, status_url, events_url: `${status_url}/events` });
  });

  app.get("/api/operations/:id", async (request, reply) => {
    const id = checkOperationId((request.params as { id: string }).id);
    const operation = await operations.read(id);
    reply.header("etag", `W/"${operation.cursor.text}"`).header("cache-control", "no-cache");
    if (!operation.terminal) reply.header("retry-after", retryAfterS(operations.intervalMs(id)));
    return reply.type("application/json").send(operation.json);
  });
};

/** Whole seconds, at least one, as the header wants them. */
function retryAfterS(intervalMs: number): number {
  return Math.max(1, Math.ceil(intervalMs / 1000));
}
