import { randomUUID } from "node:crypto";
import { type FastifyPluginAsyncTypebox, Type } from "@fastify/type-provider-typebox";
import { SchedulerError } from "../dts/scheduler-error.ts";
import { SchedulerUnavailableError } from "../errors.ts";
import { retryAfterS } from "./retry-after.ts";

/** What this route needs from the rest of the system, and nothing more. */
export interface StartOperationOptions {
  readonly scheduler: {
    startOrchestration(name: string, input: unknown, id: string): Promise<void>;
  };
  readonly streams: {
    readonly hub: {
      /** After how long a read may find something new, in milliseconds. */
      intervalMs(id: string): number;
      /** Something has happened to an operation. */
      wake(id: string): void;
    };
  };
}

/** The orchestration that serves the sample's API, here and in Microsoft's Python sample. */
const ORCHESTRATION = "async_http_api_orchestrator";

const Body = Type.Object({
  /** Seconds the operation takes in all. */
  processing_time: Type.Integer({ minimum: 0, maximum: 86_400, default: 5 }),
  /** Progress reports it makes. Default: one a second, at least 1 and at most 10. */
  steps: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000 })),
});

/** Starting an operation, as in the sample's API. */
export const startOperationRoute: FastifyPluginAsyncTypebox<StartOperationOptions> = async (
  app,
  { scheduler, streams: { hub } },
) => {
  app.post("/api/start-operation", { schema: { body: Body } }, async (request, reply) => {
    const { processing_time, steps } = request.body;
    const operation_id = randomUUID();
    const input = { operation_id, processing_time, ...(steps !== undefined && { steps }) };
    try {
      await scheduler.startOrchestration(ORCHESTRATION, input, operation_id);
    } catch (error) {
      // Nobody else has this id: it is our own call, repeated because its first answer was lost.
      const started = error instanceof SchedulerError && error.kind === "already-exists";
      // Without an answer it may yet have been started, so the client is told under which id.
      if (!started) throw new SchedulerUnavailableError(error, { operation_id });
    }
    hub.wake(operation_id);
    const status_url = `/api/operations/${operation_id}`;
    return reply
      .code(202)
      .header("location", status_url)
      .header("retry-after", retryAfterS(hub.intervalMs(operation_id)))
      .send({ operation_id, status_url, events_url: `${status_url}/events` });
  });
};
