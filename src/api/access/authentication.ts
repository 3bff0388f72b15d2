import type { FastifyInstance, RouteOptions } from "fastify";
import {
  type Access,
  ForbiddenError,
  type Scope,
  unknownCaller,
  unrestricted,
} from "../../access.ts";
import { callerAddress } from "./caller-address.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /**
     * What a caller needs for this route: a permission, any valid credential, or nothing. Every route
     * declares it.
     */
    readonly scope?: Scope | "authenticated" | "public";
  }
  interface FastifyRequest {
    /** What the caller of this request may do. */
    access: Access;
  }
}

/**
 * Identifies the caller of every request, before its route.
 *   ACCESS-4. A route that does not declare its `scope` is not served: the server does not start.
 * @returns `complete`, to be called when all routes are added. @throws Error naming those without a scope
 */
export function authenticate(app: FastifyInstance): { complete(): void } {
  const routes: RouteOptions[] = [];
  app.addHook("onRoute", (route) => void routes.push(route));
  app.decorateRequest("access");
  app.addHook("onRequest", async (request) => {
    const { scope } = request.routeOptions.config;
    if (request.is404 || scope === "public") {
      request.access = unknownCaller(callerAddress(request));
      return;
    }
    if (scope === undefined) throw new Error("A route has no scope"); // ACCESS-4
    const access = unrestricted(callerAddress(request));
    if (scope !== "authenticated" && !access.has(scope)) throw new ForbiddenError(scope);
    request.access = access;
  });
  return {
    complete() {
      const undeclared = routes.filter(({ config }) => config?.scope === undefined);
      if (undeclared.length === 0) return;
      const names = undeclared.map(({ method, url }) => `${method} ${url}`);
      throw new Error(`Routes without a scope: ${names.join(", ")}`);
    },
  };
}
