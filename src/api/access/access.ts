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
 * One hook before every route, unknown paths and handshakes included.
 *   ACCESS-1. A request for a host that is not this server's is refused.
 *   ACCESS-2. A page of another origin can neither change anything nor open a WebSocket.
 */
export function guardAccess(
  app: FastifyInstance,
  { host, allowedHosts, corsOrigins }: AccessOptions,
): void {
  const hosts = [host.toLowerCase(), ...allowedHosts];
  app.addHook("onRequest", async ({ raw, host: requested }) => {
    checkHost(raw, requested, hosts); // ACCESS-1
    checkOrigin(raw, requested, corsOrigins); // ACCESS-2
  });
  allowCors(app, corsOrigins);
}
