import { type Span, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { SchedulerError } from "./scheduler-error.ts";

const tracer = trace.getTracer("dts-push");

/**
 * Runs a command as a span within the active one, which is that of a request. Without one, where nothing
 * is traced, there is no span.
 * @param start default: a span of the gRPC call
 */
export async function inSpan<Result>(
  rpc: string,
  id: string,
  call: () => Promise<Result>,
  start: () => Span | undefined = () => startCall(rpc, id),
): Promise<Result> {
  if (!trace.getActiveSpan()) return call();
  const span = start();
  try {
    return await call();
  } catch (error) {
    fail(span, error);
    throw error;
  } finally {
    span?.end();
  }
}

/** @see https://opentelemetry.io/docs/specs/semconv/rpc/grpc/ */
function startCall(rpc: string, id: string): Span {
  return tracer.startSpan(`TaskHubSidecarService/${rpc}`, {
    kind: SpanKind.CLIENT,
    attributes: {
      "rpc.system": "grpc",
      "rpc.service": "TaskHubSidecarService",
      "rpc.method": rpc,
      "durabletask.task.instance_id": id,
    },
  });
}

function fail(span: Span | undefined, error: unknown): void {
  const kind = error instanceof SchedulerError ? error.kind : "failed";
  span?.setAttribute("error.type", kind);
  span?.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message });
}
