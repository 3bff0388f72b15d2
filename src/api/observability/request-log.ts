import type { FastifyRequest } from "fastify";
import type { Logger } from "pino";
import type { ProblemError } from "../../problems.ts";
import { isOperationId } from "../../streaming/operation/operation-id.ts";
import type { ServedRequest } from "./requests.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Requests that come often and say little: logged at `debug`, and not traced. */
    readonly probe?: boolean;
  }
  interface FastifyRequest {
    /** The operation that a start has made or found. Others name theirs in path or query. */
    startedId?: string;
    /** The problem that it was answered with. */
    problem?: ProblemError;
  }
}

/** A logger that shows requests without their query strings, which may hold credentials. */
export function withoutQueries(logger: Logger): Logger {
  const req = ({ method, url, host, ip }: FastifyRequest) => ({
    method,
    path: url.split("?", 1)[0],
    host,
    remoteAddress: ip,
  });
  return logger.child({}, { serializers: { req } });
}

/**
 * One line for each request: its route and not its path, without query, headers and body. A failure of
 * the scheduler is a warning; it says nothing about this code, and has no stack.
 */
export function logRequest({ request, reply, durationMs, abandoned }: ServedRequest): void {
  const { method, routeOptions, problem } = request;
  const cause = problem && problem.status >= 500 ? problem.cause : undefined;
  const level = cause ? "warn" : routeOptions.config?.probe ? "debug" : "info";
  request.log[level](
    {
      method,
      route: routeOptions.url,
      operation: operationOf(request),
      status: reply.raw.headersSent ? reply.statusCode : undefined,
      durationMs: Math.round(durationMs * 10) / 10,
      caller: request.access?.caller ?? request.ip,
      traceId: request.span?.spanContext().traceId,
      abandoned: abandoned || undefined,
      problem: problem?.slug,
      reason: cause instanceof Error ? cause.message : undefined,
    },
    "request",
  );
}

/** The operation that a request is about, if it is about one. */
export function operationOf({ startedId, params, query }: FastifyRequest): string | undefined {
  const { id } = (params ?? {}) as { id?: unknown };
  const { operation_id } = (query ?? {}) as { operation_id?: unknown };
  return [startedId, id, operation_id].find(isOperationId);
}
