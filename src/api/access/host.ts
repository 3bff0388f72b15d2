import type { IncomingMessage } from "node:http";
import { ProblemError } from "../../problems.ts";

/** Names under which a browser on this machine reaches it. DNS cannot point them elsewhere. */
const LOOPBACK = /^(?:localhost|.+\.localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/**
 * Refuses a request whose `Host` is not one that this server is known by. A page of another site
 * whose name resolves to this server's address (DNS rebinding) is of the same origin for its browser,
 * and only `Host` shows the difference. What a trusted proxy forwards must be such a name as well.
 * @param requested the host that the client has requested: of a trusted proxy's `X-Forwarded-Host`, else `Host`
 * @param allowed entries of ALLOWED_HOSTS and HOST: a name, `.name` for it and its subdomains, or `*`
 * @throws ProblemError `invalid-request`, `host-not-allowed`
 */
export function checkHost(
  request: IncomingMessage,
  requested: string,
  allowed: readonly string[],
): void {
  const { headers, headersDistinct, httpVersion, socket } = request;
  // Requests that Fastify's `inject` makes up have none.
  if ((headersDistinct?.host?.length ?? 0) > 1) {
    throw new ProblemError("invalid-request", 400, "A request has exactly one Host header.");
  }
  const { host } = headers;
  // A client of HTTP/1.0, such as a load balancer's probe, is no browser.
  if (host === undefined && httpVersion !== "1.0") {
    throw new ProblemError("invalid-request", 400, "An HTTP/1.1 request has a Host header.");
  }
  if (host !== undefined) checkName("Host", host, socket.localAddress, allowed);
  if (requested !== (host ?? "")) {
    checkName("X-Forwarded-Host", requested, socket.localAddress, allowed);
  }
}

function checkName(
  header: string,
  host: string,
  localAddress: string | undefined,
  allowed: readonly string[],
): void {
  const name = hostName(host);
  if (name === undefined) {
    throw new ProblemError("invalid-request", 400, `The ${header} header is not a host and port.`);
  }
  // The address that the client connected to is this server, whatever HOST is; a name may not be.
  if (LOOPBACK.test(name) || name === addressName(localAddress)) return;
  if (!allowed.some((entry) => matches(entry, name))) throw new HostNotAllowedError(name);
}

/** The name in `host[:port]`, in lower case; `undefined` if it is none. */
export function hostName(host: string): string | undefined {
  if (!/^[^\s/?#@\\]+$/.test(host)) return undefined;
  const url = URL.parse(`http://${host}`);
  return url?.hostname.replace(/\.$/, "") || undefined;
}

function addressName(address = ""): string | undefined {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, "");
  return hostName(plain.includes(":") ? `[${plain}]` : plain);
}

function matches(entry: string, name: string): boolean {
  if (entry === "*") return true;
  return entry.startsWith(".") ? `.${name}`.endsWith(entry) : name === entry;
}

class HostNotAllowedError extends ProblemError {
  constructor(name: string) {
    const detail = `This server does not answer for the host ${name}. ALLOWED_HOSTS adds names.`;
    super("host-not-allowed", 421, detail);
  }
}
