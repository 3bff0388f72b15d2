import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { addApi, MAX_BODY_BYTES, type Services } from "./api.ts";
import { type Closing, closeInTime } from "./http/closing.ts";
import { ignoreExpectations, LENIENT_HTTP } from "./http/lenient-http.ts";
import { boundSockets } from "./http/socket-limit.ts";
import { countUnanswered } from "./http/unanswered-requests.ts";
import { acceptWebSockets, isWebSocketRequest } from "./http/upgrade.ts";
import { requestId } from "./observability/request-id.ts";
import { logRequest, withoutQueries } from "./observability/request-log.ts";
import { countRequests } from "./observability/request-metrics.ts";
import { activateSpans, endSpan, startSpan } from "./observability/request-span.ts";
import { RequestObserver } from "./observability/requests.ts";
import { answerClientError, answerError } from "./problem-details.ts";

/** What the API and a server of its own need. */
export interface ServerServices extends Services {
  /** The time over which clients that `close` disconnects are to reconnect, in milliseconds. */
  readonly graceMs: number;
  readonly closing: Closing;
  /** Sockets at a time, by the process's limit of descriptors; `undefined` where it is not known. */
  readonly maxSockets: number | undefined;
  /** Whether requests are traced. Default: no. */
  readonly traced?: boolean;
}

/** How long a request may take to arrive, headers and body. */
const REQUEST_WITHIN_MS = 30_000;
/** How often that is checked. Node's default is 30 s, in which a request may take twice its time. */
const CHECK_REQUESTS_EVERY_MS = 1000;

/** Time for the plugins to load. Fastify's default of 10 s is too short where a replica starts with little CPU. */
const START_WITHIN_MS = 60_000;

/** Options of a Fastify server that has the API among its routes, where Fastify's defaults do not fit. */
export const SERVER_OPTIONS = {
  // An EventSource does not reconnect after a 503; a stream that is opened meanwhile gets `bye drain`.
  return503OnClosing: false,
  // An id that is too long is an invalid id, not an unknown path.
  routerOptions: { maxParamLength: 16_384 },
} as const;

/** The HTTP server, ready to listen. `close()` sends `bye drain` to every open stream first. */
export async function buildApp({
  graceMs,
  closing,
  maxSockets,
  traced = false,
  ...services
}: ServerServices): Promise<FastifyInstance> {
  const { streams, access, logger } = services;
  const countRequest = countRequests(streams.metrics.registry);
  const app = Fastify({
    ...SERVER_OPTIONS,
    loggerInstance: withoutQueries(logger),
    logController: new RequestObserver(
      (served) => {
        logRequest(served);
        countRequest(served);
        endSpan(served.request, served.abandoned ? undefined : served.reply.statusCode);
      },
      traced ? startSpan : undefined,
    ),
    genReqId: requestId,
    http: {
      ...LENIENT_HTTP,
      shouldUpgradeCallback: isWebSocketRequest,
      headersTimeout: REQUEST_WITHIN_MS,
      connectionsCheckingInterval: CHECK_REQUESTS_EVERY_MS,
    },
    requestTimeout: REQUEST_WITHIN_MS,
    pluginTimeout: START_WITHIN_MS,
    trustProxy: access.trustedProxies ?? false,
    bodyLimit: MAX_BODY_BYTES,
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => {
      answerError(error, request as unknown as FastifyRequest, reply as unknown as FastifyReply);
    },
  }) as unknown as FastifyInstance;

  countUnanswered(app.server);
  ignoreExpectations(app);
  app.addHook("preClose", async () => streams.connections.drain(graceMs));
  closeInTime(app, closing);
  const sockets = boundSockets(app.server, maxSockets, logger);
  if (traced) activateSpans(app);
  await acceptWebSockets(app);
  await addApi(app, services, {
    upgrades: app.server,
    closedWithinMs: closing.requestsWithinMs,
    leaving: closing.leaving,
    sockets,
  });
  return app;
}
