import type { IncomingMessage } from "node:http";
import { ProblemError } from "../../problems.ts";

const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];

/**
 * Refuses what a page of another origin must not do: requests that change something, and WebSockets,
 * which browsers open across origins and let pages read. Other answers are protected by the browser.
 * @param host the one that the browser has requested, as far as it is known
 * @param trusted origins of CORS_ORIGINS
 * @throws ProblemError `origin-not-allowed`
 * @see https://www.w3.org/TR/fetch-metadata/
 */
export function checkOrigin(
  request: IncomingMessage,
  host: string,
  trusted: readonly string[],
): void {
  const { method = "", headers } = request;
  if (SAFE_METHODS.includes(method) && headers.upgrade === undefined) return;
  const { origin, "sec-fetch-site": site } = headers;
  if (origin !== undefined && trusted.includes(origin)) return;
  // Pages cannot set this header. Browsers leave it out where the connection is not trustworthy.
  if (site !== undefined) {
    if (site === "same-origin" || site === "none") return;
    throw new OriginNotAllowedError();
  }
  // A request without either header does not come from a page.
  if (origin !== undefined && !isOriginOf(origin, host)) throw new OriginNotAllowedError();
}

/** Whether `origin` is the one that `host` is a part of. Its scheme is unknown behind a proxy. */
function isOriginOf(origin: string, host: string): boolean {
  const url = URL.parse(origin);
  return url !== null && URL.parse(`${url.protocol}//${host}`)?.host === url.host;
}

class OriginNotAllowedError extends ProblemError {
  constructor() {
    const detail =
      "A page of another origin may not start operations or open WebSockets here. CORS_ORIGINS " +
      "lists the origins that may.";
    super("origin-not-allowed", 403, detail);
  }
}
