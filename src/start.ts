import type { AddressInfo } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "pino";
import { buildApp } from "./api/app.ts";
import type { Config } from "./config.ts";
import { createSchedulerClient } from "./dts/client.ts";
import { createConnection } from "./dts/connection.ts";
import { SchedulerStartError } from "./scheduler/errors.ts";
import { startScheduler } from "./scheduler/scheduler.ts";
import { Connections } from "./streaming/connections.ts";
import { Hub } from "./streaming/hub.ts";
import { createMetrics } from "./streaming/metrics.ts";
import { startOperationsWorker } from "./worker/worker.ts";

/** How long a draining process goes on listening, at most. */
const MAX_LISTENING_ON_MS = 1000;

/** A part of the process that is up. */
export interface RunningRole {
  /** Ends it in good order; its clients are told. */
  close(): Promise<void>;
}

/** The API as others reach it. */
export interface RunningApi extends RunningRole {
  readonly url: string;
}

/** Starts the HTTP server. It also starts while the scheduler is away, and says so in `/readyz`. */
export async function startApi(config: Config, logger: Logger): Promise<RunningApi> {
  const scheduler = createSchedulerClient(createConnection(config.target));
  const metrics = createMetrics();
  const hub = new Hub(scheduler, config, metrics, logger);
  const streams = {
    hub,
    connections: new Connections(config.maxConnections),
    options: config,
    metrics,
  };
  const { graceMs } = config;
  const app = await buildApp({ scheduler, streams, access: config, graceMs, logger });
  const close = async () => {
    if (streams.connections.size > 0) {
      streams.connections.drain(graceMs);
      // Load balancers learn from /readyz; until they have, who comes is sent on in good order.
      await delay(Math.min(MAX_LISTENING_ON_MS, graceMs / 10));
    }
    await app.close();
    hub.close();
    await scheduler.close();
  };
  try {
    await app.listen({ host: config.host, port: config.port });
  } catch (error) {
    await close();
    throw (error as NodeJS.ErrnoException).code === "EADDRINUSE"
      ? new Error(`${config.host}:${config.port} is in use. Choose another port with PORT.`)
      : error;
  }
  const { port } = app.server.address() as AddressInfo;
  return { url: `http://${urlHost(config.host)}:${port}`, close };
}

/** Starts the worker. It waits for its scheduler for as long as it takes. */
export function startWorkerRole(
  { target, graceMs }: Pick<Config, "target" | "graceMs">,
  logger: Logger,
): RunningRole {
  const worker = startOperationsWorker(createConnection(target), logger, graceMs / 2);
  void worker.connected.then(() => logger.info({ taskHub: target.taskHub }, "worker connected"));
  return { close: () => worker.stop() };
}

/**
 * Starts the embedded scheduler; `address` is `host:port`.
 * @throws Error that says what to do, and by which variables
 */
export async function startEmbeddedScheduler(
  config: Config,
  logger: Logger,
): Promise<RunningRole & { readonly address: string }> {
  try {
    return await startScheduler({
      port: config.schedulerPort,
      database: config.schedulerDb,
      sync: config.schedulerSync,
      retentionDays: config.schedulerRetentionDays,
      ...(config.schedulerTaskHubs && { taskHubs: config.schedulerTaskHubs }),
      logger,
    });
  } catch (error) {
    if (!(error instanceof SchedulerStartError)) throw error;
    const advice = "SCHEDULER_PORT sets its port, SCHEDULER_DB its file.";
    throw new Error(`${error.message} ${advice}`, { cause: error });
  }
}

/** The name under which a browser on this machine reaches what listens on `host`. */
function urlHost(host: string): string {
  if (host === "127.0.0.1" || host === "0.0.0.0" || host === "::" || host === "::1")
    return "localhost";
  return host.includes(":") ? `[${host}]` : host;
}
