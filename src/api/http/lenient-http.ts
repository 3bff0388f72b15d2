import type { FastifyInstance } from "fastify";
/** Leaves a missing Host header to `checkHost`: Node would refuse it with an empty body. */
export const LENIENT_HTTP = { requireHostHeader: false } as const;

/**
 * Ignores an expectation other than `100-continue`, which Node would refuse with an empty body.
 * @see RFC 9110, section 10.1.1
 */
export function ignoreExpectations(app: FastifyInstance): void {
  app.server.on("checkExpectation", (request, response) => {
    app.server.emit("request", request, response);
  });
}
