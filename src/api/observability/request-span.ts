import {
  context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { operationOf } from "./request-log.ts";

declare module "fastify" {
  interface FastifyRequest {
    /** Its span, where it is traced. */
    span?: Span;
  }
}

const tracer = trace.getTracer("dts-push");
/** Methods that call the scheduler for one caller. Reads are shared by many. */
const COMMANDS = ["POST", "DELETE"];

/**
 * Begins the span of a request, within the trace that its `traceparent` names. Only the routes of
 * operations have spans, and streams only for the command that they begin with.
 * @see https://opentelemetry.io/docs/specs/semconv/http/http-spans/
 */
export function startSpan(request: FastifyRequest): void {
  const { method, routeOptions, headers, protocol } = request;
  const { url: route = "", config } = routeOptions;
  if (!route.startsWith("/api/") || config?.stream || config?.probe) return;
  const attributes = {
    "http.request.method": method,
    "http.route": route,
    "url.scheme": protocol,
    "dts_push.request_id": request.id,
  };
  const parent = propagation.extract(ROOT_CONTEXT, headers);
  request.span = tracer.startSpan(
    `${method} ${route}`,
    { kind: SpanKind.SERVER, attributes },
    parent,
  );
}

/** Lets what a request commands be part of its span. */
export function activateSpans(app: FastifyInstance): void {
  app.addHook("preHandler", (request, _reply, done) => {
    if (!request.span || !COMMANDS.includes(request.method)) done();
    else context.with(trace.setSpan(ROOT_CONTEXT, request.span), done);
  });
}

/**
 * Ends the span of a request, if it has one.
 * @param status `undefined` where its client left before the answer
 */
export function endSpan(request: FastifyRequest, status: number | undefined): void {
  const { span, problem } = request;
  if (!span) return;
  const operation = operationOf(request);
  if (operation !== undefined) span.setAttribute("durabletask.task.instance_id", operation);
  if (status !== undefined) span.setAttribute("http.response.status_code", status);
  if (problem) span.setAttribute("error.type", problem.slug);
  if (problem && problem.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}
