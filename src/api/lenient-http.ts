import type { FastifyInstance } from "fastify";
import { ProblemError } from "../errors.ts";

/** Leaves to `answerOddRequests` what Node would refuse with an empty body. */
export const LENIENT_HTTP = { requireHostHeader: false } as const;

/**
 * Answers what Node itself answers without a word of explanation: a request that names no host gets
 * a problem, and one that expects something other than `100-continue` is answered as if it had not.
 * @see RFC 9112, section 3.2; RFC 9110, section 10.1.1
 */
export function answerOddRequests(app: FastifyInstance): void {
  app.addHook("onRequest", async ({ raw: { httpVersion, headers } }) => {
    if (httpVersion === "1.1" && headers.host === undefined) {
      throw new ProblemError("invalid-request", 400, "An HTTP/1.1 request names its host.");
    }
  });
  app.server.on("checkExpectation", (request, response) => app.routing(request, response));
}
