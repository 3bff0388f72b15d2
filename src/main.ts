import closeWithGrace from "close-with-grace";
import { type Logger, pino } from "pino";
import { type Config, ConfigError, readConfig } from "./config.ts";
import { HELP, parseRole, type Role, UsageError } from "./roles.ts";
import { type RunningRole, startApi, startEmbeddedScheduler, startWorkerRole } from "./start.ts";

const role = readRole();
const config = readEnvironment();
const logger = pino({ level: config.logLevel });
await run(role, config, logger);

async function run(role: Role, config: Config, logger: Logger): Promise<void> {
  let scheduler: (RunningRole & { readonly address: string }) | undefined;
  const clients: RunningRole[] = [];
  // Clients before the scheduler that they speak to, and each in its own time: all of it has to fit
  // into the time for which the process is left alone.
  const close = async (): Promise<void> => {
    await Promise.all(clients.map((each) => each.close()));
    await scheduler?.close();
  };
  closeWithGrace({ delay: config.graceMs, logger }, async ({ err, signal }) => {
    logger.info({ err, signal }, "closing");
    await close();
  });
  try {
    let { target } = config;
    if (role === "scheduler" || (role === "all" && config.embedded)) {
      scheduler = await startEmbeddedScheduler(config, logger);
      target = { ...target, address: scheduler.address };
    }
    if (role === "worker" || role === "all")
      clients.push(startWorkerRole({ ...config, target }, logger));
    if (role === "api" || role === "all") {
      const api = await startApi({ ...config, target }, logger);
      clients.push(api);
      process.stdout.write(greeting(api.url));
    }
  } catch (error) {
    logger.fatal(`dts-push cannot start: ${(error as Error).message}`);
    await close();
    process.exit(1);
  }
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

function greeting(url: string): string {
  return `
  dts-push is ready: open ${url}/ or try

  curl -X POST ${url}/api/start-operation -H 'content-type: application/json' -d '{"processing_time": 10}'
  curl -N ${url}/api/operations/<operation_id>/events

`;
}
