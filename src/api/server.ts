import websocket from "@fastify/websocket";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Logger } from "pino";
import type { SchedulerClient } from "../dts/client.ts";
import { SUBPROTOCOL } from "../streaming/delivery/ws/ws-protocol.ts";
import type { Streaming } from "../streaming/streaming.ts";
import { type AccessOptions, guardAccess } from "./access/access.ts";
import { authenticate, checkScopes } from "./access/authentication.ts";
import type { Authenticator } from "./credentials/authenticator.ts";
import { Verifier } from "./credentials/verifier.ts";
import { watchAllowedMethods } from "./http/allowed-methods.ts";
import { type Closing, closeInTime } from "./http/closing.ts";
import { acceptJson } from "./http/json-body.ts";
import { sendWhileTaken } from "./http/large-responses.ts";
import { ignoreExpectations, LENIENT_HTTP } from "./http/lenient-http.ts";
import { trackSockets } from "./http/open-sockets.ts";
import { recordRoutes } from "./http/route-table.ts";
import { boundSockets } from "./http/socket-limit.ts";
import { countUnanswered } from "./http/unanswered-requests.ts";
import { discardUnreadBodies } from "./http/unread-body.ts";
import { answerBadHandshakes, isWebSocketRequest } from "./http/upgrade.ts";
import { type PressureLimits, refuseUnderPressure } from "./limits/pressure.ts";
import {
  addRateLimits,
  limitAuthFailures,
  limitCommands,
  limitHints,
  type RateLimits,
} from "./limits/rate-limits.ts";
import { repeatInHandshakes, requestId } from "./observability/request-id.ts";
import { logRequest, withoutQueries } from "./observability/request-log.ts";
import { countRequests } from "./observability/request-metrics.ts";
import { activateSpans, endSpan, startSpan } from "./observability/request-span.ts";
import { RequestObserver } from "./observability/requests.ts";
import { answerClientError, answerError, installProblemDetails } from "./problem-details.ts";
import { callerRoute } from "./routes/caller.ts";
import { purgeRoutes } from "./routes/control/purge.ts";
import { raiseEventRoutes } from "./routes/control/raise-event.ts";
import { verbRoutes } from "./routes/control/verbs.ts";
import { docsRoutes } from "./routes/docs.ts";
import { eventsRoutes } from "./routes/events.ts";
import { healthRoutes } from "./routes/health.ts";
import { type HintsOptions, hintsRoute } from "./routes/hints.ts";
import { metricsRoute } from "./routes/metrics.ts";
import { operationHistoryRoute } from "./routes/operation-history.ts";
import { operationListRoute } from "./routes/operation-list.ts";
import { operationStatusRoute } from "./routes/operation-status.ts";
import { clientModuleRoutes } from "./routes/page/client-modules.ts";
import { pageRoutes } from "./routes/page/page.ts";
import { sampleRoutes } from "./routes/sample.ts";
import { startOrchestrationRoute } from "./routes/start/start-orchestration.ts";
import { createStarter } from "./routes/start/starter.ts";
import { streamTokensRoute } from "./routes/stream-tokens.ts";
import { websocketRoutes } from "./routes/websocket.ts";

/** What the API needs. */
export interface Services {
  readonly scheduler: SchedulerClient;
  /** The same without masks (REDACT): for what is compared and never shown. */
  readonly stored: Pick<SchedulerClient, "getInstance">;
  readonly streams: Streaming;
  readonly access: AccessOptions;
  readonly limits: RateLimits & PressureLimits;
  readonly authenticator: Authenticator;
  /** The time over which clients that `close` disconnects are to reconnect, in milliseconds. */
  readonly graceMs: number;
  readonly peers: HintsOptions["peers"];
  readonly closing: Closing;
  /** Sockets at a time, by the process's limit of descriptors; `undefined` where it is not known. */
  readonly maxSockets: number | undefined;
  /** Whether the sample's operations can be started here. */
  readonly sample: boolean;
  /** Whether `/metrics` is here, and not on a port of its own. */
  readonly metrics: boolean;
  /** Whether requests are traced. Default: no. */
  readonly traced?: boolean;
  readonly logger: Logger;
}

/** How long a request may take to arrive, headers and body. */
const REQUEST_WITHIN_MS = 30_000;
/** How often that is checked. Node's default is 30 s, in which a request may take twice its time. */
const CHECK_REQUESTS_EVERY_MS = 1000;
/** Largest body of a route that does not set its own limit. */
const MAX_BODY_BYTES = 16 * 1024;
/** The library's own limit. Messages over ours of 64 KiB get a problem before the connection closes. */
const MAX_WS_FRAME_BYTES = 1024 * 1024;

/** The HTTP server, ready to listen. `close()` sends `bye drain` to every open stream first. */
export async function buildApp({
  scheduler,
  stored,
  streams,
  access,
  limits,
  authenticator,
  graceMs,
  peers,
  closing,
  maxSockets,
  sample,
  metrics,
  traced = false,
  logger,
}: Services): Promise<FastifyInstance> {
  const countRequest = countRequests(streams.metrics.registry);
  const app = Fastify({
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
    // A 503 ends an EventSource for good; a stream that is opened meanwhile gets `bye drain`.
    return503OnClosing: false,
    requestTimeout: REQUEST_WITHIN_MS,
    trustProxy: access.trustedProxies ?? false,
    bodyLimit: MAX_BODY_BYTES,
    // An id that is too long is an invalid id, not an unknown path.
    routerOptions: { maxParamLength: 16_384 },
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, verbose: true } },
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => {
      answerError(error, request as unknown as FastifyRequest, reply as unknown as FastifyReply);
    },
  }) as unknown as FastifyInstance;

  countUnanswered(app.server);
  installProblemDetails(app);
  await guardAccess(app, access);
  streams.connections.refuseWhile(await refuseUnderPressure(app, limits, logger));
  await addRateLimits(app);
  const verifier = new Verifier(authenticator, limitAuthFailures(app, limits));
  authenticate(app, verifier);
  limitCommands(app, limits);
  limitHints(app);
  ignoreExpectations(app);
  acceptJson(app);
  discardUnreadBodies(app);
  sendWhileTaken(app);
  if (traced) activateSpans(app);
  const routes = recordRoutes(app);
  const methods = watchAllowedMethods(app);

  app.addHook("preClose", async () => streams.connections.drain(graceMs));
  closeInTime(app, closing);
  const sockets = boundSockets(app.server, maxSockets, logger);
  await app.register(websocket, {
    options: {
      maxPayload: MAX_WS_FRAME_BYTES,
      perMessageDeflate: false,
      handleProtocols: (offered: Set<string>) => offered.has(SUBPROTOCOL) && SUBPROTOCOL,
    },
  });
  answerBadHandshakes(app.websocketServer);
  repeatInHandshakes(app.websocketServer);
  trackSockets(app, streams.metrics.registry, closing.requestsWithinMs);
  const start = createStarter({ scheduler, stored, streams });
  await app.register(sampleRoutes, { start, sample });
  await app.register(startOrchestrationRoute, { start });
  await app.register(verbRoutes, { scheduler, streams });
  await app.register(raiseEventRoutes, { scheduler, streams });
  await app.register(purgeRoutes, { scheduler, streams });
  await app.register(operationStatusRoute, { streams });
  await app.register(operationListRoute, { streams });
  await app.register(operationHistoryRoute, { scheduler, streams });
  await app.register(eventsRoutes, streams);
  await app.register(websocketRoutes, { streams, verifier });
  await app.register(hintsRoute, { streams, peers });
  await app.register(callerRoute);
  await app.register(streamTokensRoute, authenticator);
  await app.register(healthRoutes, { scheduler, leaving: closing.leaving, sockets });
  if (metrics) await app.register(metricsRoute, streams.metrics);
  await app.register(docsRoutes);
  await app.register(clientModuleRoutes);
  await app.register(pageRoutes);
  routes.complete();
  checkScopes(app.routeTable);
  methods.complete();
  return app;
}
