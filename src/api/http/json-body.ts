import type { FastifyInstance } from "fastify";
import { ProblemError } from "../../problems.ts";

/** With or without parameters. Pages of other origins cannot send this type without a preflight. */
const JSON_TYPE = /^application\/json\s*(?:;|$)/;

/**
 * Accepts JSON bodies and no others. The bytes are decoded here, because Fastify's own parsers replace
 * invalid UTF-8 without an error.
 */
export function acceptJson(app: FastifyInstance): void {
  const parseText = app.getDefaultJsonParser("error", "error");
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<Buffer>(JSON_TYPE, { parseAs: "buffer" }, (request, body, done) => {
    const text = decode(body);
    if (text === undefined) {
      done(new ProblemError("invalid-body", 400, "The body is not valid UTF-8."));
      return;
    }
    void parseText(request, text, done);
  });
}

function decode(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
