import type { FastifyInstance } from "fastify";
import { ProblemError } from "../../problems.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Whether the body may be absent or empty, which counts as `{}`, or `null` where it is verbatim. */
    readonly bodyOptional?: boolean;
    /** Whether the body is kept as it was sent, in `bodyText`. */
    readonly bodyVerbatim?: boolean;
  }
  interface FastifyRequest {
    /** The body as it was sent, valid JSON: numbers keep every digit. Only where it is taken verbatim. */
    bodyText: string | undefined;
  }
}

/** With or without parameters. Pages of other origins cannot send this type without a preflight. */
const JSON_TYPE = /^application\/json\s*(?:;|$)/;

/**
 * Accepts JSON bodies and no others. The bytes are decoded here, because Fastify's own parsers replace
 * invalid UTF-8 without an error.
 */
export function acceptJson(app: FastifyInstance): void {
  const parseText = app.getDefaultJsonParser("error", "error");
  app.removeAllContentTypeParsers();
  app.decorateRequest("bodyText");
  app.addContentTypeParser<Buffer>(JSON_TYPE, { parseAs: "buffer" }, (request, body, done) => {
    const text = decode(body);
    if (text === undefined) {
      done(new ProblemError("invalid-body", 400, "The body is not valid UTF-8."));
      return;
    }
    const { bodyOptional, bodyVerbatim } = request.routeOptions.config;
    if (bodyOptional && text.trim() === "") done(null, undefined);
    else if (bodyVerbatim) {
      request.bodyText = text;
      parseAny(text, done);
    } else void parseText(request, text, done);
  });
  app.addHook("preValidation", async (request) => {
    const { bodyOptional, bodyVerbatim } = request.routeOptions.config;
    if (!bodyOptional || request.body !== undefined) return;
    request.body = bodyVerbatim ? null : {};
  });
}

/** Without Fastify's refusal of `__proto__`, since what is kept verbatim is data for others. */
function parseAny(text: string, done: (error: Error | null, body?: unknown) => void): void {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    const isEmpty = text.trim() === "";
    const detail = isEmpty ? "The body is empty. Send JSON." : "The body is not valid JSON.";
    done(new ProblemError("invalid-body", 400, detail));
    return;
  }
  done(null, body);
}

function decode(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
