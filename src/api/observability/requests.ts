import { type FastifyReply, type FastifyRequest, LogController } from "fastify";
import { REQUEST_ID } from "./request-id.ts";

/** A request that was answered, or whose client closed the connection before. */
export interface ServedRequest {
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  /** From its head to the last byte of its answer. */
  readonly durationMs: number;
  /** The client closed the connection before it had the whole answer. */
  readonly abandoned: boolean;
}

/**
 * Sees every request from its head on, also those that no hook sees because their URL cannot be
 * decoded. It takes the place of Fastify's own log lines.
 *   OBSERVE-1. Each request is reported once, after the last byte of its answer or its client's leaving.
 *   OBSERVE-2. A request that became a stream is not: streams have log lines and metrics of their own.
 */
export class RequestObserver extends LogController {
  readonly #onServed: (served: ServedRequest) => void;
  readonly #onArrived: ((request: FastifyRequest) => void) | undefined;

  constructor(
    onServed: (served: ServedRequest) => void,
    onArrived?: (request: FastifyRequest) => void,
  ) {
    super({ requestIdLogLabel: "requestId" });
    this.#onServed = onServed;
    this.#onArrived = onArrived;
  }

  override incomingRequest(request: FastifyRequest, reply: FastifyReply): void {
    const startedMs = performance.now();
    const { raw } = reply;
    reply.header(REQUEST_ID, request.id);
    this.#onArrived?.(request);
    raw.once("close", () => {
      const hijacked = reply.sent && !raw.writableEnded;
      if (hijacked) return; // OBSERVE-2
      const durationMs = performance.now() - startedMs;
      this.#onServed({ request, reply, durationMs, abandoned: !raw.writableFinished });
    });
  }

  override requestCompleted(): void {
    // `incomingRequest` has arranged for it.
  }
}
