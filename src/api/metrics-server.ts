import type { Registry } from "@prometheus-io/client";
import Fastify, { type FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { type AccessOptions, guardAccess } from "./access/access.ts";
import { type Closing, closeInTime } from "./http/closing.ts";
import { sendWhileTaken } from "./http/large-responses.ts";
import { LENIENT_HTTP } from "./http/lenient-http.ts";
import { requestId } from "./observability/request-id.ts";
import { logRequest, withoutQueries } from "./observability/request-log.ts";
import { RequestObserver } from "./observability/requests.ts";
import { answerClientError, installProblemDetails } from "./problem-details.ts";

export interface MetricsServices {
  readonly registry: Registry;
  readonly access: AccessOptions;
  readonly closing: Closing;
  readonly logger: Logger;
}

/** Scrapers that are connected at a time; further ones are disconnected. */
const MAX_SOCKETS = 32;
const REQUEST_WITHIN_MS = 10_000;

/**
 * `/metrics` and nothing else, on a port of its own (METRICS_PORT): for a network that only scrapers
 * reach. It needs no credential, and is answered also while the API is overloaded or closes.
 */
export async function buildMetricsServer({
  registry,
  access,
  closing,
  logger,
}: MetricsServices): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: withoutQueries(logger),
    logController: new RequestObserver(logRequest),
    genReqId: requestId,
    http: { ...LENIENT_HTTP, headersTimeout: REQUEST_WITHIN_MS },
    requestTimeout: REQUEST_WITHIN_MS,
    clientErrorHandler: answerClientError,
  }) as unknown as FastifyInstance;
  app.server.maxConnections = MAX_SOCKETS;
  installProblemDetails(app);
  await guardAccess(app, { ...access, corsOrigins: [] });
  sendWhileTaken(app);
  closeInTime(app, closing);
  app.get("/metrics", { config: { probe: true } }, async (_request, reply) =>
    reply.type(registry.contentType).send(await registry.metrics()),
  );
  return app;
}
