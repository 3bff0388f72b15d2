import type { FastifyPluginAsync } from "fastify";
import type { Registry } from "prom-client";
import { SchedulerUnavailableError } from "../errors.ts";

export interface HealthOptions {
  readonly scheduler: {
    /** Resolves when the scheduler answers. */
    ping(): Promise<void>;
  };
  readonly registry: Registry;
}

/** How long an answer of the scheduler holds, so that probes cost it next to nothing. */
const FRESH_MS = 1000;

/** For probes and scrapers. */
export const healthRoutes: FastifyPluginAsync<HealthOptions> = async (
  app,
  { scheduler, registry },
) => {
  let checked: { readonly atMs: number; readonly answer: Promise<void> } | undefined;
  const check = (): Promise<void> => {
    if (!checked || Date.now() - checked.atMs > FRESH_MS) {
      const answer = scheduler.ping();
      // Who asked hears of a failure; nobody may be left to hear it.
      answer.catch(() => undefined);
      checked = { atMs: Date.now(), answer };
    }
    return checked.answer;
  };

  app.get("/healthz", async () => ({ status: "ok" }));

  app.get("/readyz", async () => {
    await check().catch((cause: unknown) => {
      throw new SchedulerUnavailableError(cause);
    });
    return { status: "ready" };
  });

  app.get("/metrics", async (_request, reply) =>
    reply.type(registry.contentType).send(await registry.metrics()),
  );
};
