import type { FastifyPluginAsync } from "fastify";
import { DescriptorsExhaustedError, DrainingError, SchedulerProblemError } from "../../problems.ts";
import { GET_HEALTHZ, GET_READYZ } from "../descriptions/health.ts";

export interface HealthOptions {
  readonly scheduler: {
    /** Resolves when the scheduler answers. */
    ping(): Promise<void>;
  };
  /** Aborted once the process is about to stop. */
  readonly leaving: AbortSignal;
  readonly sockets: {
    /** Whether connections were refused a moment ago for want of file descriptors. */
    readonly exhausted: boolean;
  };
}

/** How long an answer of the scheduler holds, so that probes cost it next to nothing. */
const FRESH_MS = 1000;

/** For probes. */
export const healthRoutes: FastifyPluginAsync<HealthOptions> = async (
  app,
  { scheduler, leaving, sockets },
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
};
