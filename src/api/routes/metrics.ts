import type { Registry } from "@prometheus-io/client";
import type { FastifyPluginAsync } from "fastify";
import { GET_METRICS } from "../descriptions/health.ts";

/** What the process counts, for Prometheus, on the API's own port. */
export const metricsRoute: FastifyPluginAsync<{ readonly registry: Registry }> = async (
  app,
  { registry },
) => {
  const config = { scope: "operations:read", probe: true, docs: GET_METRICS } as const;
  app.get("/metrics", { config }, async ({ access }, reply) => {
    access.checkReadAll(""); // The figures are those of all operations together.
    return reply.type(registry.contentType).send(await registry.metrics());
  });
};
