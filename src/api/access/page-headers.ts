import helmet, { type FastifyHelmetOptions } from "@fastify/helmet";
import type { FastifyInstance } from "fastify";

/**
 * Nothing inline, nothing from other origins, and no text that becomes markup or code (Trusted Types):
 * what an operation reports can never run in a page. `'self'` includes WebSockets of this server.
 */
const CONTENT_SECURITY_POLICY = {
  "default-src": ["'self'"],
  "connect-src": ["'self'"],
  "object-src": ["'none'"],
  "base-uri": ["'none'"],
  "form-action": ["'self'"],
  "frame-ancestors": ["'none'"],
  "require-trusted-types-for": ["'script'"],
  "trusted-types": ["lit-html"], // of the page: for its own templates alone
};

const OPTIONS: FastifyHelmetOptions = {
  contentSecurityPolicy: { useDefaults: false, directives: CONTENT_SECURITY_POLICY },
  xFrameOptions: { action: "deny" }, // for browsers that do not know `frame-ancestors`
  // Whether a domain is only ever served over TLS is for its proxy to say.
  strictTransportSecurity: false,
};

/** Sets the headers that protect pages on every route of `app`, which is to be a scope of its own. */
export async function protectPages(app: FastifyInstance): Promise<void> {
  // An application that has the API among its routes may have the library already.
  if (app.hasReplyDecorator("helmet")) {
    app.addHook("onRequest", async (_request, reply) => reply.helmet(OPTIONS));
  } else {
    await app.register(helmet, OPTIONS);
  }
}
