import type { AddressInfo } from "node:net";
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import type { Authenticate } from "./api/credentials/app-callers.ts";
import { checkOpenness } from "./api/credentials/authenticator.ts";
import { buildMetricsServer } from "./api/metrics-server.ts";
import { buildApp } from "./api/server.ts";
import { createApiParts } from "./api-parts.ts";
import type { Config } from "./config.ts";
import { createConnection } from "./dts/connection/connection.ts";
import { HintSender } from "./dts/hints/hint-sender.ts";
import { measureProcess } from "./observability/process-metrics.ts";
import { SchedulerStartError } from "./scheduler/start-error.ts";
import type { CloseOptions } from "./shutdown.ts";
import { shutdownTimes } from "./shutdown-times.ts";
import { pause } from "./streaming/reading/pause.ts";
import { startOperationsWorker } from "./worker/worker.ts";

const inOrder = (): CloseOptions => ({ drain: true, hurry: new AbortController().signal });
/** For what has no clients yet. */
export const CLOSE_AT_ONCE: CloseOptions = { drain: false, hurry: AbortSignal.abort() };

/** A part of the process that is up. */
export interface RunningRole {
  /** Ends it in order; its clients are notified. Default: with drain, and without hurry. */
  close(options?: CloseOptions): Promise<void>;
}

/** The API and its address. */
export interface RunningApi extends RunningRole {
  readonly url: string;
  /** Where `/metrics` is on a port of its own. */
  readonly metricsUrl: string | undefined;
  /** An operation has changed: it is read now, if it is watched. */
  hint(id: string): void;
  /** Resolves when the scheduler answers for the task hub. @throws SchedulerError */
  ping(): Promise<void>;
}

/**
 * Starts the HTTP server. It also starts during an outage of the scheduler; `/readyz` shows it.
 * @param authenticate takes the place of credentials, where an application knows its callers
 */
export async function startApi(
  config: Config,
  logger: Logger,
  authenticate?: Authenticate,
): Promise<RunningApi> {
  const parts = createApiParts(config, logger, () => (app.server.address() as AddressInfo).port);
  const { authenticator, streams, scheduler } = parts;
  if (!authenticate) checkOpenness(authenticator, config, logger);
  measureProcess(streams.metrics.registry);
  const { graceMs } = config;
  const times = shutdownTimes(graceMs, config.drainDelayMs);
  const leaving = new AbortController();
  const closing = { leaving: leaving.signal, requestsWithinMs: times.requestsWithinMs };
  const app = await buildApp({
    ...parts,
    authenticate,
    access: config,
    limits: config,
    graceMs,
    closing,
    sample: config.sample === "on",
    metrics: config.metricsPort === undefined,
    traced: config.tracing !== undefined,
    logger,
  });
  const metricsServer =
    config.metricsPort === undefined
      ? undefined
      : await buildMetricsServer({
          registry: streams.metrics.registry,
          access: config,
          closing,
          logger,
        });
  const close = async ({ drain, hurry }: CloseOptions = inOrder()) => {
    const drainDelayMs = drain ? times.drainDelayMs : 0;
    leaving.abort();
    await pause(drainDelayMs, hurry);
    const isWatched = streams.connections.size > 0;
    streams.connections.drain(graceMs);
    // Serves clients that have just been disconnected, and those that a load balancer still sends here.
    if (isWatched || drainDelayMs > 0) await pause(times.listenOnMs, hurry);
    await Promise.all([app.close(), metricsServer?.close()]);
    await parts.close();
  };
  try {
    const { host, port, metricsPort = 0 } = config;
    const url = await listen(app, "PORT", host, port);
    const metricsUrl =
      metricsServer && (await listen(metricsServer, "METRICS_PORT", host, metricsPort));
    if (metricsUrl) logger.info({ url: metricsUrl }, "metrics listen on a port of their own");
    return {
      url,
      metricsUrl,
      hint: (id) => streams.hint([id]),
      ping: () => scheduler.ping(),
      close,
    };
  } catch (error) {
    await close(CLOSE_AT_ONCE);
    throw error;
  }
}

/** @returns its URL. @throws Error that names the variable, where the port is in use */
async function listen(
  app: FastifyInstance,
  variable: string,
  host: string,
  port: number,
): Promise<string> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === "EADDRINUSE"
      ? new Error(`${host}:${port} is in use. Choose another port with ${variable}.`)
      : error;
  }
  return `http://${urlHost(host)}:${(app.server.address() as AddressInfo).port}`;
}

/**
 * Starts the worker. It waits until its scheduler answers, without a limit.
 * @param onChanged takes its hints where no `HINT_URL` is set
 */
export function startWorkerRole(
  { target, graceMs, hints }: Pick<Config, "target" | "graceMs"> & Partial<Pick<Config, "hints">>,
  logger: Logger,
  onChanged?: (id: string) => void,
): RunningRole {
  const sender = hints?.url && new HintSender({ url: hints.url, token: hints.token, log: logger });
  const hint = sender ? (id: string) => sender.hint(id) : onChanged;
  const connection = createConnection(target, logger);
  const worker = startOperationsWorker(connection, logger, graceMs / 2, hint);
  void worker.connected.then(() => logger.info({ taskHub: target.taskHub }, "worker connected"));
  return {
    // Work that is under way and not awaited is delivered again, to this worker or another one.
    async close({ hurry } = inOrder()) {
      await Promise.race([worker.stop(), aborted(hurry)]);
      sender?.close();
    },
  };
}

/**
 * Starts the embedded scheduler; `address` is `host:port`.
 * @throws Error that says what to do, and names the variables
 */
export async function startEmbeddedScheduler(
  config: Config,
  logger: Logger,
): Promise<RunningRole & { readonly address: string }> {
  // It brings SQLite, which an API of its own has no use for.
  const { startScheduler } = await import("./scheduler/scheduler.ts");
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

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** The name by which a browser on this machine reaches `host`. */
function urlHost(host: string): string {
  if (host === "127.0.0.1" || host === "0.0.0.0" || host === "::" || host === "::1")
    return "localhost";
  return host.includes(":") ? `[${host}]` : host;
}
