import type { FastifyInstance, FastifyRequest, RouteOptions } from "fastify";
import {
  type Access,
  ForbiddenError,
  type Scope,
  UnauthenticatedError,
  unknownCaller,
} from "../../access.ts";
import type { VerifyToken } from "../../streaming/delivery/ws/ws-caller.ts";
import { callerAddress } from "./caller-address.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /**
     * What a caller needs for this route: a permission, any valid credential, or nothing. Every route
     * declares it.
     */
    readonly scope?: Scope | "authenticated" | "public";
    /**
     * It opens a stream, whose credential may be in `?access_token=`. That of a WebSocket may follow in
     * its first message.
     */
    readonly stream?: "sse" | "websocket";
  }
  interface FastifyRequest {
    /** What the caller of this request may do. */
    access: Access;
  }
}

/** Finds out who is calling. */
export interface Callers {
  /**
   * Who makes a request; `undefined` where it carries nothing that says so.
   * @throws UnauthenticatedError, AuthenticationUnavailableError, RateLimitedError, ProblemError
   */
  of(request: FastifyRequest): Promise<Access | undefined>;
  /** Verifies the tokens that the messages of a WebSocket carry. @param request its handshake */
  verifierFor(request: FastifyRequest): VerifyToken;
}

/**
 * Identifies the caller of every request, before its route.
 *   ACCESS-4. A route that does not declare its `scope` is not served.
 */
export function authenticate(app: FastifyInstance, callers: Callers): void {
  app.decorateRequest("access");
  app.addHook("onRequest", async (request) => {
    request.access = await identify(request, callers);
  });
}

/** @throws Error naming the routes that do not declare their scope (ACCESS-4) */
export function checkScopes(routes: readonly RouteOptions[]): void {
  const undeclared = routes.filter(({ config }) => config?.scope === undefined);
  if (undeclared.length === 0) return;
  const names = undeclared.map(({ method, url }) => `${method} ${url}`);
  throw new Error(`Routes without a scope: ${names.join(", ")}`);
}

/** @throws UnauthenticatedError, ForbiddenError, AuthenticationUnavailableError, RateLimitedError */
async function identify(request: FastifyRequest, callers: Callers): Promise<Access> {
  const { scope, stream } = request.routeOptions.config;
  const address = callerAddress(request);
  if (request.is404 || scope === "public") return unknownCaller(address);
  if (scope === undefined) throw new Error("A route has no scope"); // ACCESS-4
  const access = await callers.of(request);
  if (!access) {
    if (stream === "websocket") return unknownCaller(address); // Its first message has it.
    throw new UnauthenticatedError();
  }
  if (scope !== "authenticated" && !access.has(scope)) throw new ForbiddenError(scope);
  return access;
}
