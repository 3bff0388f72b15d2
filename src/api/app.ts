import websocket from "@fastify/websocket";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Logger } from "pino";
import type { SchedulerClient } from "../dts/client.ts";
import type { StreamContext } from "../streaming/stream-context.ts";
import { SUBPROTOCOL } from "../streaming/ws-protocol.ts";
import { watchAllowedMethods } from "./allowed-methods.ts";
import { closeInTime } from "./closing.ts";
import { eventsRoutes } from "./events.ts";
import { healthRoutes } from "./health.ts";
import { acceptJson } from "./json-body.ts";
import { sendWhileTaken } from "./large-responses.ts";
import { answerOddRequests, LENIENT_HTTP } from "./lenient-http.ts";
import { operationHistoryRoute } from "./operation-history.ts";
import { operationStatusRoute } from "./operation-status.ts";
import { installPage } from "./page.ts";
import { answerClientError, answerError, installProblemDetails } from "./problem-details.ts";
import { startOperationRoute } from "./start-operation.ts";
import { answerBadHandshakes, isWebSocketRequest } from "./upgrade.ts";
import { websocketRoutes } from "./websocket.ts";

/** What the API stands on. */
export interface Services {
  readonly scheduler: SchedulerClient;
  readonly streams: StreamContext;
  /** The time over which clients are to come back that `close` sends away, in milliseconds. */
  readonly graceMs: number;
  readonly logger: Logger;
}

/** How long a request may take to arrive, headers and body. */
const REQUEST_WITHIN_MS = 30_000;
/** The library's own bound, past ours of 64 KiB, which answers with a problem before it closes. */
const MAX_WS_FRAME_BYTES = 1024 * 1024;

/** The HTTP server, ready to listen. `close()` says `bye drain` to every open stream first. */
export async function buildApp({
  scheduler,
  streams,
  graceMs,
  logger,
}: Services): Promise<FastifyInstance> {
  const app = Fastify({
    loggerInstance: logger,
    http: { ...LENIENT_HTTP, shouldUpgradeCallback: isWebSocketRequest },
    // A 503 makes an EventSource give up for good; a stream opened meanwhile is told `bye drain`.
    return503OnClosing: false,
    requestTimeout: REQUEST_WITHIN_MS,
    // An id that is too long is a bad id, not an unknown path.
    routerOptions: { maxParamLength: 16_384 },
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => {
      answerError(error, request as unknown as FastifyRequest, reply as unknown as FastifyReply);
    },
  }) as unknown as FastifyInstance;

  installProblemDetails(app);
  answerOddRequests(app);
  acceptJson(app);
  sendWhileTaken(app);
  const methods = watchAllowedMethods(app);

  app.addHook("preClose", async () => streams.connections.drain(graceMs));
  closeInTime(app, streams.connections);
  await app.register(websocket, {
    options: {
      maxPayload: MAX_WS_FRAME_BYTES,
      perMessageDeflate: false,
      handleProtocols: (offered: Set<string>) => offered.has(SUBPROTOCOL) && SUBPROTOCOL,
    },
  });
  answerBadHandshakes(app.websocketServer);
  await app.register(startOperationRoute, { scheduler, streams });
  await app.register(operationStatusRoute, { streams });
  await app.register(operationHistoryRoute, { scheduler, streams });
  await app.register(eventsRoutes, streams);
  await app.register(websocketRoutes, streams);
  await app.register(healthRoutes, { scheduler, streams });
  await installPage(app);
  methods.complete();
  return app;
}
