import type { AddressInfo } from "node:net";
import type { FastifyInstance, FastifyPluginAsync } from "fastify";
import fp from "fastify-plugin";
import type { Logger } from "pino";
import { addApi } from "../api/api.ts";
import { countUnanswered } from "../api/http/unanswered-requests.ts";
import { acceptWebSockets, handshakesFor, WEBSOCKET_PATH } from "../api/http/upgrade.ts";
import { repeatIds } from "../api/observability/request-id.ts";
import { countRequests } from "../api/observability/request-metrics.ts";
import { createApiParts } from "../api-parts.ts";
import { configOf, type DtsPushOptions } from "./options.ts";

/** Whatever its `Host`: which names an application has is its own matter. */
const ANY_HOST = ["*"];
/** Time for WebSockets to close once the application closes. */
const CLOSED_WITHIN_MS = 3000;

/**
 * The API as a Fastify plugin: its routes, streams and page in an application that has routes of its own.
 *   PLUGIN-1. Everything is in a scope of its own: hooks, parsers and error handlers do not touch the
 *       application's routes. Beside it is only what Fastify has once for each server: WebSockets.
 *   PLUGIN-2. When the application closes, every stream gets `bye drain` first.
 * @throws Error where neither `authenticate` nor credentials nor `allowAnonymous` say who may call
 */
export const dtsPush: FastifyPluginAsync<DtsPushOptions> = fp(addTo, {
  name: "dts-push",
  fastify: "5.x",
});

async function addTo(
  app: FastifyInstance,
  { prefix = "/push", authenticate, ...options }: DtsPushOptions,
): Promise<void> {
  const config = configOf(options);
  const { allowAnonymous, graceMs } = config;
  const logger = app.log as Logger;
  const parts = createApiParts(config, logger, () => portOf(app));
  if (!authenticate && !parts.authenticator.required && allowAnonymous !== "true") {
    await parts.close();
    throw new Error(
      "dts-push: nobody may call this API. Give it authenticate, apiKeysFile or jwtIssuer; or " +
        "allowAnonymous: true, where everybody who reaches the application may do everything.",
    );
  }
  const leaving = new AbortController();
  app.addHook("preClose", async () => {
    leaving.abort();
    parts.streams.connections.drain(graceMs); // PLUGIN-2
  });
  app.addHook("onClose", () => parts.close());
  countUnanswered(app.server);
  const path = prefix.replace(/\/+$/, "");
  const upgrades = handshakesFor(app, app.prefix + path + WEBSOCKET_PATH);
  await acceptWebSockets(app, upgrades);

  // PLUGIN-1
  const addScope: FastifyPluginAsync = async (scope) => {
    repeatIds(scope);
    redirectToPage(scope);
    const countRequest = countRequests(parts.streams.metrics.registry);
    scope.addHook("onResponse", async (request, reply) =>
      countRequest({ request, reply, durationMs: reply.elapsedTime, abandoned: false }),
    );
    const isOpen = !authenticate && !parts.authenticator.required;
    await addApi(
      scope,
      {
        ...parts,
        authenticate,
        // With nobody to be asked for a credential, the name is what a page of another site cannot have.
        access: isOpen ? config : { ...config, allowedHosts: hostsOf(config.allowedHosts) },
        limits: { ...config, maxEventLoopDelayMs: 0, maxHeapPercent: 0 },
        sample: config.sample === "on",
        metrics: true,
      },
      {
        upgrades,
        closedWithinMs: CLOSED_WITHIN_MS,
        leaving: leaving.signal,
        sockets: { exhausted: false },
      },
    );
  };
  await app.register(addScope, { prefix: path });
}

function hostsOf(allowed: readonly string[]): readonly string[] {
  return allowed.length > 0 ? allowed : ANY_HOST;
}

/** Sends a browser from `/push` to `/push/`, to which the page's own addresses are relative. */
function redirectToPage(scope: FastifyInstance): void {
  const { prefix } = scope;
  if (prefix === "") return;
  scope.addHook("onRequest", async ({ raw: { url = "" } }, reply) => {
    const [path, query] = url.split("?", 2);
    if (path !== prefix) return;
    return reply.redirect(`${prefix}/${query === undefined ? "" : `?${query}`}`, 308);
  });
}

function portOf(app: FastifyInstance): number {
  return (app.server.address() as AddressInfo | null)?.port ?? 0;
}
