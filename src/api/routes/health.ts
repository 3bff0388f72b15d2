import type { FastifyPluginAsync } from "fastify";
import { DescriptorsExhaustedError, DrainingError, SchedulerProblemError } from "../../problems.ts";
import type { Metrics } from "../../streaming/metrics.ts";
import { GET_HEALTHZ, GET_METRICS, GET_READYZ } from "../descriptions/health.ts";

export interface HealthOptions {
  readonly scheduler: {
    /** Resolves when the scheduler answers. */
    ping(): Promise<void>;
  };
  readonly metrics: Metrics;
  /** Aborted once the process is about to stop. */
  readonly leaving: AbortSignal;
  readonly sockets: {
    /** Whether connections were refused a moment ago for want of file descriptors. */
    readonly exhausted: boolean;
  };
}

/** How long an answer of the scheduler holds, so that probes cost it next to nothing. */
const FRESH_MS = 1000;

/** For probes and scrapers. */
export const healthRoutes: FastifyPluginAsync<HealthOptions> = async (
  app,
  { scheduler, metrics, leaving, sockets },
) => {
  let checked: { readonly atMs: number; readonly answer: Promise<void> } | undefined;
  const check = (): Promise<void> => {
    if (!checked || performance.now() - checked.atMs > FRESH_MS) {
      const answer = scheduler.ping();
      // Every probe that awaits it gets the failure; there may be none left.
      answer.catch(() => undefined);
      checked = { atMs: performance.now(), answer };
    }
    return checked.answer;
  };

  const probe = { scope: "public", probe: true } as const;
  app.get("/healthz", { config: { ...probe, docs: GET_HEALTHZ } }, async () => ({ status: "ok" }));

  app.get("/readyz", { config: { ...probe, docs: GET_READYZ } }, async () => {
    if (leaving.aborted) throw new DrainingError();
    if (sockets.exhausted) throw new DescriptorsExhaustedError();
    await check().catch((cause: unknown) => {
      throw new SchedulerProblemError(cause);
    });
    return { status: "ready" };
  });

  const scrape = { scope: "operations:read", probe: true, docs: GET_METRICS } as const;
  app.get("/metrics", { config: scrape }, async ({ access }, reply) => {
    access.checkReadAll(""); // The figures are those of all operations together.
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
};
