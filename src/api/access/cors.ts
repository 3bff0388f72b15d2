import cors, { type FastifyCorsOptions } from "@fastify/cors";
import type { FastifyInstance, FastifyRequest } from "fastify";

/** For requests of pages that are not trusted, and of programs: no header but `Vary`. */
const NOT_TRUSTED: FastifyCorsOptions = { origin: false };
const TRUSTED: FastifyCorsOptions = {
  origin: true, // the request's own
  // Headers of answers that a page has to read.
  exposedHeaders:
    "etag, location, preference-applied, retry-after, idempotency-replayed, x-request-id",
  preflight: false,
};
const PREFLIGHT: FastifyCorsOptions = {
  ...TRUSTED,
  preflight: true,
  methods: "GET, HEAD, POST, DELETE",
  maxAge: 600, // seconds for which a browser may remember it
};

/**
 * Lets pages of the `trusted` origins read answers. Preflights are answered before whatever is added to
 * `app` later: browsers send no credentials with them.
 * @see https://fetch.spec.whatwg.org/#http-cors-protocol
 */
export async function allowCors(app: FastifyInstance, trusted: readonly string[]): Promise<void> {
  if (trusted.length === 0) return;
  // The library's route for OPTIONS on unknown paths.
  app.addHook("onRoute", (route) => {
    if (route.url === "*") route.config = { ...route.config, scope: "public" };
  });
  const optionsFor = ({ method, headers }: FastifyRequest): FastifyCorsOptions => {
    if (headers.origin === undefined || !trusted.includes(headers.origin)) return NOT_TRUSTED;
    // Other uses of OPTIONS are answered like any method, which the library does not do by itself.
    const asks = method === "OPTIONS" && headers["access-control-request-method"] !== undefined;
    return asks ? PREFLIGHT : TRUSTED;
  };
  await app.register(cors, {
    delegator: (request, callback) => callback(null, optionsFor(request)),
  });
}
