import type { FastifyInstance } from "fastify";
import { allowCors } from "./cors.ts";
import { checkHost } from "./host.ts";
import { checkOrigin } from "./origin.ts";
import type { TrustedProxies } from "./trusted-proxies.ts";

/** Which requests are accepted at all, whatever their path. */
export interface AccessOptions {
  /** Where the API listens. */
  readonly host: string;
  /** Further host names of this server: a name, `.name` for it and its subdomains, or `*` for any. */
  readonly allowedHosts: readonly string[];
  /** Origins whose pages may use the API. */
  readonly corsOrigins: readonly string[];
  /** Proxies whose `X-Forwarded-*` headers are believed; `undefined`: none. */
  readonly trustedProxies: TrustedProxies | undefined;
}

/**
 * On every answer: it is what its content type says, and pages of other origins cannot embed it. Reading
 * it by CORS is not affected. The page has more of them (`page-headers.ts`).
 */
const HEADERS = {
  "x-content-type-options": "nosniff",
  "cross-origin-resource-policy": "same-origin",
};

/**
 * One hook before every route, unknown paths and handshakes included.
 *   ACCESS-1. A request for a host that is not this server's is refused.
 *   ACCESS-2. A page of another origin can neither change anything nor open a WebSocket.
 */
export async function guardAccess(
  app: FastifyInstance,
  { host, allowedHosts, corsOrigins }: AccessOptions,
): Promise<void> {
  const hosts = [host.toLowerCase(), ...allowedHosts];
  app.addHook("onRequest", async ({ raw, host: requested }, reply) => {
    reply.headers(HEADERS);
    checkHost(raw, requested, hosts); // ACCESS-1
    checkOrigin(raw, requested, corsOrigins); // ACCESS-2
  });
  await allowCors(app, corsOrigins);
}
