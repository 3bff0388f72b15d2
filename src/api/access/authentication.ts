import type { FastifyInstance } from "fastify";
import { type Access, type Scope, withoutCredential } from "../../access.ts";
import { callerAddress } from "./caller-address.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** What a caller needs for this route, or that it needs nothing. Every route declares it. */
    readonly scope?: Scope | "public";
  }
  interface FastifyRequest {
    /** What the caller of this request may do. */
    access: Access;
  }
}

/** Identifies the caller of every request, before its route. */
export function authenticate(app: FastifyInstance): void {
  app.decorateRequest("access");
  app.addHook("onRequest", async (request) => {
    request.access = withoutCredential(callerAddress(request));
  });
}
