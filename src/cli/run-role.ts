import { needsCredential } from "../api/credentials/credential-settings.ts";
import { type Config, ConfigError, readConfig } from "../config.ts";
import { createBackOff } from "../dts/back-off.ts";
import { createLog, type Log } from "../log.ts";
import type { Tracing } from "../observability/tracing.ts";
import type { TracingConfig } from "../observability/tracing-config.ts";
import { type CloseOptions, closeOnSignal } from "../shutdown.ts";
import {
  CLOSE_AT_ONCE,
  type RunningApi,
  type RunningRole,
  startApi,
  startEmbeddedScheduler,
  startWorkerRole,
} from "../start.ts";
import { pause } from "../streaming/reading/pause.ts";
import { readyText, waitingText } from "./greeting.ts";
import { ROLE_HELP } from "./role-help.ts";
import type { Role } from "./roles.ts";

/** How long the end of the process waits for the last traces. */
const TRACES_WITHIN_MS = 500;
/** How long the end of the process waits for the log. */
const FLUSH_WITHIN_MS = 500;
/** Time between attempts to reach the scheduler before the first success. */
const PING_MIN_MS = 500;
const PING_MAX_MS = 5000;

/** Runs a role until the process gets a signal. @param args of the command line, after its command */
export async function runRole(role: Role, args: readonly string[]): Promise<void> {
  if (args.includes("--help") || args.includes("-h")) return void process.stdout.write(ROLE_HELP);
  if (args.length > 0) {
    return refuse(`dts-push: Unknown arguments: ${args.join(" ")}. See "dts-push start --help".`);
  }
  const config = readEnvironment();
  if (config) await run(role, config, createLog(config.logLevel));
}

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
  const { startTracing } = await import("../observability/tracing.ts");
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

function readEnvironment(): Config | undefined {
  try {
    return readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return refuse(error.message);
  }
}

function refuse(message: string): undefined {
  process.stderr.write(`${message}\n`);
  process.exitCode = 2;
}
