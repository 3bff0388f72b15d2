import type { FastifyPluginAsync } from "fastify";
import { DrainingError, SchedulerUnavailableError } from "../errors.ts";
import type { StreamContext } from "../streaming/stream-context.ts";

export interface HealthOptions {
  readonly scheduler: {
    /** Resolves when the scheduler answers. */
    ping(): Promise<void>;
  };
  readonly streams: StreamContext;
}

/** How long an answer of the scheduler holds, so that probes cost it next to nothing. */
const FRESH_MS = 1000;

/** For probes and scrapers. */
export const healthRoutes: FastifyPluginAsync<HealthOptions> = async (
  app,
  { scheduler, streams: { connections, metrics } },
) => {
  let checked: { readonly atMs: number; readonly answer: Promise<void> } | undefined;
  const check = (): Promise<void> => {
    if (!checked || performance.now() - checked.atMs > FRESH_MS) {
      const answer = scheduler.ping();
      // Who asked hears of a failure; nobody may be left to hear it.
      answer.catch(() => undefined);
      checked = { atMs: performance.now(), answer };
    }
    return checked.answer;
  };

  app.get("/healthz", async () => ({ status: "ok" }));

  app.get("/readyz", async () => {
    if (connections.draining) throw new DrainingError();
    await check().catch((cause: unknown) => {
      throw new SchedulerUnavailableError(cause);
    });
    return { status: "ready" };
  });

  app.get("/metrics", async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
};
