import { getHeapStatistics } from "node:v8";
import underPressure from "@fastify/under-pressure";
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import { ProblemError } from "../../problems.ts";

/** From where on this process is overloaded. */
export interface PressureLimits {
  /** Mean delay of the event loop, in milliseconds; 0 for no limit. */
  readonly maxEventLoopDelayMs: number;
  /** Used part of the heap that Node may have, in percent; 0 for no limit. */
  readonly maxHeapPercent: number;
}

/**
 * How long is measured. The mean over so many turns of the event loop is not moved by one long turn,
 * such as a garbage collection, or a busy machine.
 */
const SAMPLE_MS = 5000;
const RETRY_AFTER_S = 5;
/** One line for each time that the process is overloaded, not one for each request. */
const LOG_EVERY_MS = 60_000;

/**
 * Refuses requests while this process is overloaded, so that what it has accepted gets done.
 *   PRESSURE-1. Probes and metrics are answered all the same.
 *   PRESSURE-2. A new stream is not refused here, but by those who open it.
 * @returns whether it is overloaded
 */
export async function refuseUnderPressure(
  app: FastifyInstance,
  { maxEventLoopDelayMs, maxHeapPercent }: PressureLimits,
  log: Pick<Logger, "warn">,
): Promise<() => boolean> {
  if (maxEventLoopDelayMs === 0 && maxHeapPercent === 0) return () => false;
  let loggedAtMs = Number.NEGATIVE_INFINITY;
  await app.register(underPressure, {
    sampleInterval: SAMPLE_MS,
    maxEventLoopDelay: maxEventLoopDelayMs,
    maxHeapUsedBytes: (getHeapStatistics().heap_size_limit * maxHeapPercent) / 100,
    // A rejection is the only outcome that the library takes for an error.
    pressureHandler: async ({ routeOptions: { config } }, _reply, type, value) => {
      if (config?.probe || config?.stream) return;
      if (performance.now() - loggedAtMs > LOG_EVERY_MS) {
        loggedAtMs = performance.now();
        log.warn({ [type]: value }, "overloaded, refusing requests");
      }
      throw new OverloadedError();
    },
  });
  return () => app.isUnderPressure();
}

class OverloadedError extends ProblemError {
  constructor() {
    const detail = "This replica is overloaded. Try again after Retry-After, or use another one.";
    super("overloaded", 503, detail, { retryAfterS: RETRY_AFTER_S });
  }
}
