import { STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type {
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  FastifySchemaValidationError,
} from "fastify";
import { SchedulerError } from "../dts/scheduler-error.ts";
import {
  InvalidOperationIdError,
  ProblemError,
  type ProblemSlug,
  SchedulerProblemError,
} from "../problems.ts";
import { OPERATION_ID } from "../streaming/operation/operation-id.ts";
import { endAndDiscard } from "./http/unread-body.ts";

const CONTENT_TYPE = "application/problem+json";

/** The problems for Fastify's own errors. */
const KNOWN: Record<string, { slug: ProblemSlug; status: number; detail: string }> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    slug: "unsupported-media-type",
    status: 415,
    detail: "Send the body as JSON, with content-type: application/json.",
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: {
    slug: "invalid-body",
    status: 400,
    detail: "The body is empty. Send a JSON object, such as {}.",
  },
  FST_ERR_CTP_INVALID_JSON_BODY: {
    slug: "invalid-body",
    status: 400,
    detail: "The body is not valid JSON.",
  },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    slug: "invalid-body",
    status: 400,
    detail: "The body's length is not the one in content-length.",
  },
  FST_ERR_BAD_URL: {
    slug: "invalid-url",
    status: 400,
    detail: "The path holds a percent-encoding that cannot be decoded.",
  },
};

/** Answers every error with a problem document, and unknown paths as well. */
export function installProblemDetails(app: FastifyInstance): void {
  app.setErrorHandler<FastifyError | ProblemError>(answerError);
  app.setNotFoundHandler((_request, reply) =>
    sendProblem(
      reply,
      new ProblemError(
        "not-found",
        404,
        "There is nothing at this path. docs/PROTOCOL.md lists the paths.",
      ),
    ),
  );
}

/**
 * Answers any error. What was not foreseen is logged with its stack, and hidden from the client; the
 * line about the request has what others need.
 */
export function answerError(
  error: FastifyError | ProblemError,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const problem = toProblemError(error, request);
  if (problem.slug === "internal") {
    request.log.error({ err: problem.cause ?? error, problem: problem.slug }, "request failed");
  }
  return sendProblem(reply, problem);
}

function toProblemError(
  error: FastifyError | ProblemError | SchedulerError,
  request: FastifyRequest,
): ProblemError {
  if (error instanceof ProblemError) return error;
  return error instanceof SchedulerError
    ? new SchedulerProblemError(error)
    : fromFastify(error, request);
}

export function sendProblem(reply: FastifyReply, problem: ProblemError): FastifyReply {
  reply.request.problem = problem;
  if (problem.retryAfterS !== undefined) reply.header("retry-after", problem.retryAfterS);
  reply.headers(problem.headers);
  return reply.code(problem.status).type(CONTENT_TYPE).send(JSON.stringify(problem.toProblem()));
}

/** Answers a request whose method is not one of `allowed`. @see RFC 9110, section 15.5.6 */
export function refuseMethod(allowed: string) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const detail = `${request.method} is not possible here. Use ${allowed}.`;
    reply.header("allow", allowed);
    return sendProblem(reply, new ProblemError("method-not-allowed", 405, detail));
  };
}

/** Answers bytes that are not a valid HTTP request, which never reach Fastify. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy();
    return;
  }
  const problem =
    error.code === "HPE_HEADER_OVERFLOW"
      ? new ProblemError("headers-too-large", 431, "The request line and headers exceed 16 KiB.")
      : error.code === "ERR_HTTP_REQUEST_TIMEOUT"
        ? new ProblemError("request-timeout", 408, "The request did not arrive in time.")
        : new ProblemError("invalid-request", 400, "This is not a valid HTTP/1.1 request.");
  writeProblem(socket, problem);
}

/** Answers on a socket without a Fastify reply, and closes it. */
export function writeProblem(
  socket: Duplex,
  problem: ProblemError,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = JSON.stringify(problem.toProblem());
  const head = {
    ...headers,
    "content-type": CONTENT_TYPE,
    "content-length": Buffer.byteLength(body),
    connection: "close",
  };
  const lines = Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`);
  endAndDiscard(
    socket,
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${lines.join("")}\r\n${body}`,
  );
}

function fromFastify(error: FastifyError, { routeOptions }: FastifyRequest): ProblemError {
  if (error.code === "FST_ERR_CTP_BODY_TOO_LARGE") {
    const detail = `The body is too large. This path accepts up to ${routeOptions.bodyLimit} bytes.`;
    return new ProblemError("body-too-large", 413, detail);
  }
  const known = KNOWN[error.code];
  if (known) return new ProblemError(known.slug, known.status, known.detail);
  if (error.validation?.some(isOperationId)) return new InvalidOperationIdError();
  if (error.validation) {
    const slug = error.validationContext === "body" ? "invalid-body" : "invalid-query";
    return new ProblemError(slug, 400, describe(error));
  }
  const status = error.statusCode ?? 500;
  if (status >= 400 && status < 500) {
    return new ProblemError("bad-request", status, "The request cannot be understood.");
  }
  return new ProblemError(
    "internal",
    500,
    "Something went wrong here. It has been logged.",
    {},
    error,
  );
}

/** Whether what is wrong is the text of an operation's id, wherever it was sent. */
function isOperationId({ keyword, params }: FastifySchemaValidationError): boolean {
  return keyword === "pattern" && params.pattern === OPERATION_ID.source;
}

/** Lists what is wrong with a body or a query, by field. */
function describe({ validation, validationContext = "body" }: FastifyError): string {
  // Of a value that must be one of several kinds, what each kind says is left out.
  const errors = (validation ?? []).filter(({ schemaPath }) => !schemaPath.includes("/anyOf/"));
  const issues = errors.map(({ instancePath, keyword, message, params, ...error }) => {
    const { additionalProperty, missingProperty } = params as Record<string, string>;
    if (keyword === "additionalProperties") return `"${additionalProperty}" is not known here`;
    if (keyword === "required") return `"${missingProperty}" is missing`;
    const field = instancePath.slice(1).replaceAll("/", ".");
    const { parentSchema } = error as { parentSchema?: { description?: string } };
    if (parentSchema?.description) return `"${field}" must be ${parentSchema.description}`;
    return `${field ? `"${field}"` : `The ${validationContext}`} ${message}`;
  });
  return `${issues.join("; ")}.`;
}
