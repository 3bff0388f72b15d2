import type { FastifyInstance } from "fastify";

/** Headers of answers that a page has to read. */
const EXPOSED =
  "etag, idempotency-replayed, location, preference-applied, retry-after, x-request-id";
/** How long a browser may remember the answer to a preflight, in seconds. */
const PREFLIGHT_VALID_S = 600;

/** Lets pages of the `trusted` origins read answers. @see https://fetch.spec.whatwg.org/#http-cors-protocol */
export function allowCors(app: FastifyInstance, trusted: readonly string[]): void {
  if (trusted.length === 0) return;
  app.addHook("onRequest", async (request, reply) => {
    const { origin, "access-control-request-method": wanted } = request.headers;
    reply.header("vary", "origin");
    if (origin === undefined || !trusted.includes(origin)) return;
    reply.header("access-control-allow-origin", origin);
    reply.header("access-control-expose-headers", EXPOSED);
    if (request.method !== "OPTIONS" || wanted === undefined) return;
    reply.header("access-control-allow-methods", "GET, HEAD, POST, DELETE");
    const headers = request.headers["access-control-request-headers"];
    if (headers !== undefined) reply.header("access-control-allow-headers", headers);
    reply.header("access-control-max-age", PREFLIGHT_VALID_S);
    await reply.code(204).send();
  });
}
