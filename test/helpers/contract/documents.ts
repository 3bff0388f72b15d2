import type { FastifyInstance } from "fastify";
import { pino } from "pino";
import { createAuthenticator } from "../../../src/api/credentials/authenticator.ts";
import type { AsyncApiDocument } from "../../../src/api/docs/asyncapi-types.ts";
import type { OpenApiDocument } from "../../../src/api/docs/openapi-types.ts";
import { buildApp } from "../../../src/api/server.ts";
import { readConfig } from "../../../src/config.ts";
import { createSchedulerClient } from "../../../src/dts/client.ts";
import { createConnection } from "../../../src/dts/connection/connection.ts";
import { createMetrics } from "../../../src/streaming/metrics.ts";
import { createStreaming } from "../../../src/streaming/streaming.ts";

/** What the API says about itself. */
export interface Documents {
  readonly openapi: OpenApiDocument;
  readonly asyncapi: AsyncApiDocument;
}

/** The API as it would listen with the default settings. It calls no scheduler. */
export async function buildIdleApp(): Promise<FastifyInstance> {
  // A busy machine is no reason to refuse to describe itself.
  const config = { ...readConfig({}), maxEventLoopDelayMs: 0 };
  const logger = pino({ level: "silent" });
  const scheduler = createSchedulerClient(createConnection(config.target, logger));
  const streams = createStreaming(scheduler, config, createMetrics(), logger);
  const app = await buildApp({
    scheduler,
    stored: scheduler,
    streams,
    access: config,
    limits: config,
    authenticator: createAuthenticator(config.credentials, logger),
    graceMs: config.graceMs,
    peers: { forward: () => undefined },
    closing: { leaving: new AbortController().signal, requestsWithinMs: config.graceMs },
    maxSockets: undefined,
    metrics: true,
    sample: config.sample === "on",
    logger,
  });
  app.addHook("onClose", async () => {
    streams.close();
    await scheduler.close();
  });
  return app;
}

/** The documents as a client gets them. */
export async function readDocuments(): Promise<Documents> {
  const app = await buildIdleApp();
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  const read = async (path: string) => {
    const response = await fetch(url + path);
    if (!response.ok) throw new Error(`${path} is answered ${response.status}`);
    return (await response.json()) as never;
  };
  try {
    return { openapi: await read("/openapi.json"), asyncapi: await read("/asyncapi.json") };
  } finally {
    await app.close();
  }
}
