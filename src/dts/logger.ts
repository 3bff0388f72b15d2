import type { StructuredLogger } from "@microsoft/durabletask-js";
import type { Logger } from "pino";

/**
 * The SDK's log as pino lines. The SDK logs every orchestrator turn at `info`, which is `debug` for the
 * operator of a service; its warnings and errors keep their level.
 */
export function createSdkLogger(logger: Logger): StructuredLogger {
  return {
    error: (message, ...args) => logger.error({ args }, message),
    warn: (message, ...args) => logger.warn({ args }, message),
    info: (message, ...args) => logger.debug({ args }, message),
    debug: (message, ...args) => logger.trace({ args }, message),
    logEvent(level, { eventId, category, properties }, message) {
      const line = { eventId, category, ...properties };
      if (level === "error") logger.error(line, message);
      else if (level === "warn") logger.warn(line, message);
      else if (level === "info") logger.debug(line, message);
      else logger.trace(line, message);
    },
  };
}
