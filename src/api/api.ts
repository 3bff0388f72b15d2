import type { EventEmitter } from "node:events";
import ajvCompiler from "@fastify/ajv-compiler";
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import type { SchedulerClient } from "../dts/client.ts";
import type { Streaming } from "../streaming/streaming.ts";
import { type AccessOptions, guardAccess } from "./access/access.ts";
import { authenticate, checkScopes } from "./access/authentication.ts";
import { AppCallers, type Authenticate } from "./credentials/app-callers.ts";
import type { Authenticator } from "./credentials/authenticator.ts";
import { Verifier } from "./credentials/verifier.ts";
import { watchAllowedMethods } from "./http/allowed-methods.ts";
import { acceptJson } from "./http/json-body.ts";
import { sendWhileTaken } from "./http/large-responses.ts";
import { trackSockets } from "./http/open-sockets.ts";
import { recordRoutes } from "./http/route-table.ts";
import { discardUnreadBodies } from "./http/unread-body.ts";
import { type PressureLimits, refuseUnderPressure } from "./limits/pressure.ts";
import {
  addRateLimits,
  limitAuthFailures,
  limitCommands,
  limitHints,
  type RateLimits,
} from "./limits/rate-limits.ts";
import { installProblemDetails } from "./problem-details.ts";
import { callerRoute } from "./routes/caller.ts";
import { purgeRoutes } from "./routes/control/purge.ts";
import { raiseEventRoutes } from "./routes/control/raise-event.ts";
import { verbRoutes } from "./routes/control/verbs.ts";
import { docsRoutes } from "./routes/docs.ts";
import { eventsRoutes } from "./routes/events.ts";
import { type HealthOptions, healthRoutes } from "./routes/health.ts";
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

/** What the API needs, on whatever server it is. */
export interface Services {
  readonly scheduler: SchedulerClient;
  /** The same without masks (REDACT): for what is compared and never shown. */
  readonly stored: Pick<SchedulerClient, "getInstance">;
  readonly streams: Streaming;
  readonly access: AccessOptions;
  readonly limits: RateLimits & PressureLimits;
  readonly authenticator: Authenticator;
  /** Takes the place of credentials, where the application knows its callers. */
  readonly authenticate?: Authenticate | undefined;
  readonly peers: HintsOptions["peers"];
  /** Whether the sample's operations can be started here. */
  readonly sample: boolean;
  /** Whether `/metrics` is here, and not on a port of its own. */
  readonly metrics: boolean;
  readonly logger: Logger;
}

/** What the API needs of its server. */
export interface ServerParts extends Pick<HealthOptions, "leaving" | "sockets"> {
  /** Emits the handshakes of WebSockets. */
  readonly upgrades: EventEmitter;
  /** Time for WebSockets to close once the server closes, in milliseconds. */
  readonly closedWithinMs: number;
}

/** Largest body of a route that does not set its own limit. */
export const MAX_BODY_BYTES = 16 * 1024;

/**
 * Adds every route of the API to `app`, with all that they need of hooks and parsers: a server of its
 * own, or a scope of another application's, with a prefix. It is the scope's own: nothing here changes
 * what is beside it. The server must accept WebSockets before (`acceptWebSockets`).
 */
export async function addApi(
  app: FastifyInstance,
  { scheduler, stored, streams, access, limits, authenticator, peers, ...services }: Services,
  { upgrades, closedWithinMs, leaving, sockets }: ServerParts,
): Promise<void> {
  installProblemDetails(app);
  await guardAccess(app, access);
  streams.connections.refuseWhile(await refuseUnderPressure(app, limits, services.logger));
  await addRateLimits(app);
  const callers = services.authenticate
    ? new AppCallers(services.authenticate, authenticator.streamTokens)
    : new Verifier(authenticator, limitAuthFailures(app, limits));
  authenticate(app, callers);
  limitCommands(app, limits);
  limitHints(app);
  acceptJson(app);
  validateStrictly(app);
  discardUnreadBodies(app);
  sendWhileTaken(app);
  const routes = recordRoutes(app);
  const methods = watchAllowedMethods(app);
  trackSockets(app, streams.metrics.registry, upgrades, closedWithinMs);
  const start = createStarter({ scheduler, stored, streams });
  await app.register(sampleRoutes, { start, sample: services.sample });
  await app.register(startOrchestrationRoute, { start });
  await app.register(verbRoutes, { scheduler, streams });
  await app.register(raiseEventRoutes, { scheduler, streams });
  await app.register(purgeRoutes, { scheduler, streams });
  await app.register(operationStatusRoute, { streams });
  await app.register(operationListRoute, { streams });
  await app.register(operationHistoryRoute, { scheduler, streams });
  await app.register(eventsRoutes, streams);
  await app.register(websocketRoutes, { streams, callers });
  await app.register(hintsRoute, { streams, peers });
  await app.register(callerRoute);
  await app.register(streamTokensRoute, authenticator);
  await app.register(healthRoutes, { scheduler, leaving, sockets });
  if (services.metrics) await app.register(metricsRoute, streams.metrics);
  await app.register(docsRoutes);
  await app.register(clientModuleRoutes);
  await app.register(pageRoutes);
  routes.complete();
  checkScopes(app.routeTable);
  methods.complete();
}

/** Values are what the client has sent: none is converted, and none left out. */
function validateStrictly(app: FastifyInstance): void {
  const options = { coerceTypes: false, removeAdditional: false, verbose: true } as const;
  app.setValidatorCompiler(ajvCompiler()({}, { customOptions: options }));
  app.addHook("onRoute", (route) => {
    route.bodyLimit ??= MAX_BODY_BYTES;
  });
}
