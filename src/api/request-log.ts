import type { FastifyRequest } from "fastify";
import type { Logger } from "pino";

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
