import { needsCredential } from "./api/credentials/credential-settings.ts";
import { type Config, ConfigError, readConfig } from "./config.ts";
import { createBackOff } from "./dts/back-off.ts";
import { readyText, waitingText } from "./greeting.ts";
import { createLog, type Log } from "./log.ts";
import type { Tracing } from "./observability/tracing.ts";
import type { TracingConfig } from "./observability/tracing-config.ts";
import { HELP, parseRole, type Role, UsageError } from "./roles.ts";
import { type CloseOptions, closeOnSignal } from "./shutdown.ts";
import {
  CLOSE_AT_ONCE,
  type RunningApi,
  type RunningRole,
  startApi,
  startEmbeddedScheduler,
  startWorkerRole,
} from "./start.ts";
import { pause } from "./streaming/reading/pause.ts";

/** How long the end of the process waits for the last traces. */
const TRACES_WITHIN_MS = 500;
/** How long the end of the process waits for the log. */
const FLUSH_WITHIN_MS = 500;
/** Time between attempts to reach the scheduler before the first success. */
const PING_MIN_MS = 500;
const PING_MAX_MS = 5000;

const role = readRole();
const config = readEnvironment();
const log = createLog(config.logLevel);
await run(role, config, log);

async function run(role: Role, config: Config, log: Log): Promise<void> {
  const { logger } = log;
  const closing = new AbortController();
  let scheduler: (RunningRole & { readonly address: string }) | undefined;
  const clients: RunningRole[] = [];
  let tracing: Tracing | undefined;
  // The clients of the scheduler close before it.
  const close = async (options: CloseOptions): Promise<void> => {
    closing.abort();
    await Promise.all(clients.map((each) => each.close(options)));
    await scheduler?.close();
    await tracing?.close(TRACES_WITHIN_MS);
    await log.flush(FLUSH_WITHIN_MS);
  };
  closeOnSignal(config.graceMs, logger, close);
  try {
    // Before anything makes spans.
    if (config.tracing) tracing = await loadTracing(config.tracing, logger);
    let { target } = config;
    const embedded = role === "all" && config.embedded;
    if (embedded) checkTaskHub(config);
    if (embedded || role === "scheduler") {
      scheduler = await startEmbeddedScheduler(config, logger);
      target = { ...target, address: scheduler.address };
    }
    const withWorker = role === "worker" || (embedded && config.sample === "on");
    // In one process with the API a hint needs no request.
    let api: RunningApi | undefined;
    const hint = (id: string) => api?.hint(id);
    if (withWorker) clients.push(startWorkerRole({ ...config, target }, logger, hint));
    if (role === "api" || role === "all") {
      api = await startApi({ ...config, target }, logger);
      clients.push(api);
      const workerLeftOut = role === "all" && !embedded;
      void greet(api, { ...config, target }, workerLeftOut, log, closing.signal);
    }
  } catch (error) {
    logger.fatal(`dts-push cannot start: ${(error as Error).message}`);
    await close(CLOSE_AT_ONCE);
    process.exit(1);
  }
}

/** OpenTelemetry's SDK is loaded only where it is used. */
async function loadTracing(tracing: TracingConfig, logger: Log["logger"]): Promise<Tracing> {
  const { startTracing } = await import("./observability/tracing.ts");
  return startTracing(tracing, logger);
}

/** Prints that the API can be used once the scheduler answers, and until then what it waits for. */
async function greet(
  { url, ping }: RunningApi,
  { target, sample, credentials }: Config,
  workerLeftOut: boolean,
  { print }: Log,
  closing: AbortSignal,
): Promise<void> {
  const backOff = createBackOff({ minMs: PING_MIN_MS, maxMs: PING_MAX_MS });
  for (let isFirst = true; !closing.aborted; isFirst = false) {
    try {
      await ping();
      const guarded = needsCredential(credentials);
      return print(readyText({ url, sample: sample === "on", guarded, workerLeftOut }));
    } catch (error) {
      if (isFirst) print(waitingText(url, target, error));
      await pause(backOff.nextMs(), closing);
    }
  }
}

/** @throws Error if the embedded scheduler would not have the task hub of API and worker */
function checkTaskHub({ schedulerTaskHubs, target: { taskHub } }: Config): void {
  if (!schedulerTaskHubs || schedulerTaskHubs.includes(taskHub)) return;
  throw new Error(
    `TASKHUB (${taskHub}) is not one of SCHEDULER_TASKHUBS (${schedulerTaskHubs.join(", ")}).`,
  );
}

function readRole(): Role {
  try {
    const role = parseRole(process.argv.slice(2));
    if (role !== "help") return role;
    process.stdout.write(HELP);
    return process.exit(0);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n\n${HELP}`);
    return process.exit(2);
  }
}

function readEnvironment(): Config {
  try {
    return readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return process.exit(2);
  }
}
