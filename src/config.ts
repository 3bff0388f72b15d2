import { parseConnectionString } from "./dts/connection-string.ts";
import { checkTaskHub, type SchedulerTarget, targetFromEndpoint } from "./dts/target.ts";

/** Every setting of the process, read once from the environment. Times in milliseconds. */
export interface Config {
  /** Where the API listens. Default `127.0.0.1`. */
  readonly host: string;
  /** Port of the API; 0 picks a free one and prints it. Default 8000. */
  readonly port: number;
  /** The scheduler that API and worker use. Default `http://localhost:8080`, task hub `default`. */
  readonly target: SchedulerTarget;
  /** No scheduler was named, so that `npm start` runs the embedded one. */
  readonly embedded: boolean;
  /** Port of the embedded scheduler; 0 picks a free one. Default 8080. */
  readonly schedulerPort: number;
  /** File of the embedded scheduler; `:memory:` keeps nothing. Default `.data/scheduler.db`. */
  readonly schedulerDb: string;
  /** `full`: what the embedded scheduler acknowledged survives a power cut; `normal`: a crash only. */
  readonly schedulerSync: "full" | "normal";
  /** The only task hubs of the embedded scheduler; `undefined`: each appears on first use. */
  readonly schedulerTaskHubs: readonly string[] | undefined;
  /** Days that the embedded scheduler keeps an instance after its end. Default 30. */
  readonly schedulerRetentionDays: number;
  /** Shortest time between two reads of one watched operation. Default 250. */
  readonly pollMinMs: number;
  /** Longest time between two reads of one watched operation, budget permitting. Default 5,000. */
  readonly pollMaxMs: number;
  /** Reads of the scheduler per second by this process, all operations together. Default 500. */
  readonly pollReadsPerSecond: number;
  /** Instances per page of a query read in the place of many operations; 0 for none. Default 500. */
  readonly pollPageSize: number;
  /** Different prefixes whose feeds are followed at a time; the feed of all is not counted. Default 100. */
  readonly maxFeeds: number;
  /** Calls waiting for the end of watched operations, at a time; 0 turns them off. Default 500. */
  readonly completionCalls: number;
  /** Time between heartbeat events of one stream. Default 15,000. */
  readonly heartbeatMs: number;
  /** Age at which a stream is rotated, ±20 %. Default 210,000, below Azure's ingress limits. */
  readonly streamMaxAgeMs: number;
  /** Unsent bytes per client before it is cut off as too slow. Default 1 MiB. */
  readonly maxBufferedBytes: number;
  /** Open streams at a time; beyond it, new ones are told to come back. Default 20,000. */
  readonly maxConnections: number;
  /** Time that a process takes to end after a signal, its clients being sent away. Default 10,000. */
  readonly graceMs: number;
  /** A pino level. Default `info`. */
  readonly logLevel: LogLevel;
}

const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

const DEFAULT_ENDPOINT = "http://localhost:8080";
const MAX_TIMER_MS = 2 ** 31 - 1;

/** The environment holds values the process cannot run with. The message names each of them. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  constructor(problems: readonly string[]) {
    super(`The configuration is not usable:\n${problems.map((line) => `  - ${line}`).join("\n")}`);
  }
}

/** Reads `env`. An empty variable counts as unset. @throws ConfigError naming every bad variable */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const problems: string[] = [];

  const integer = (name: string, fallback: number, min: number, max: number): number => {
    const text = env[name];
    if (!text) return fallback;
    const value = /^\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
    if (Number.isSafeInteger(value) && value >= min && value <= max) return value;
    problems.push(`${name} must be an integer from ${min} to ${max}, got "${text}"`);
    return fallback;
  };

  const oneOf = <T extends string>(name: string, allowed: readonly T[], fallback: T): T => {
    const text = env[name];
    if (!text) return fallback;
    if ((allowed as readonly string[]).includes(text)) return text as T;
    problems.push(`${name} must be one of ${allowed.join(", ")}, got "${text}"`);
    return fallback;
  };

  const parsed = <T>(name: string, parse: () => T, fallback: T): T => {
    try {
      return parse();
    } catch (error) {
      problems.push(`${name}: ${(error as Error).message}`);
      return fallback;
    }
  };

  const list = (name: string): readonly string[] | undefined => {
    const items = (env[name] ?? "").split(",").map((item) => item.trim());
    const named = items.filter(Boolean);
    return named.length > 0 ? named : undefined;
  };

  const target = (): SchedulerTarget => {
    const connectionString = env.DURABLE_TASK_SCHEDULER_CONNECTION_STRING;
    const clientId = env.AZURE_MANAGED_IDENTITY_CLIENT_ID || undefined;
    const fallback = targetFromEndpoint(DEFAULT_ENDPOINT, "default", clientId);
    if (connectionString) {
      const parse = () => parseConnectionString(connectionString, clientId);
      return parsed("DURABLE_TASK_SCHEDULER_CONNECTION_STRING", parse, fallback);
    }
    const taskHub = parsed("TASKHUB", () => checkTaskHub(env.TASKHUB || "default"), "default");
    const endpoint = env.ENDPOINT || DEFAULT_ENDPOINT;
    return parsed("ENDPOINT", () => targetFromEndpoint(endpoint, taskHub, clientId), fallback);
  };

  const config: Config = {
    host: env.HOST || "127.0.0.1",
    port: integer("PORT", 8000, 0, 65_535),
    target: target(),
    embedded: !env.ENDPOINT && !env.DURABLE_TASK_SCHEDULER_CONNECTION_STRING,
    schedulerPort: integer("SCHEDULER_PORT", 8080, 0, 65_535),
    schedulerDb: env.SCHEDULER_DB || ".data/scheduler.db",
    schedulerSync: oneOf("SCHEDULER_SYNC", ["full", "normal"], "full"),
    schedulerTaskHubs: list("SCHEDULER_TASKHUBS"),
    schedulerRetentionDays: integer("SCHEDULER_RETENTION_DAYS", 30, 1, 36_500),
    pollMinMs: integer("POLL_MIN_MS", 250, 10, 3_600_000),
    pollMaxMs: integer("POLL_MAX_MS", 5000, 10, 3_600_000),
    pollReadsPerSecond: integer("POLL_READS_PER_SECOND", 500, 1, 100_000),
    pollPageSize: integer("POLL_PAGE_SIZE", 500, 0, 1000),
    maxFeeds: integer("MAX_FEEDS", 100, 1, 10_000),
    completionCalls: integer("COMPLETION_CALLS", 500, 0, 10_000),
    heartbeatMs: integer("HEARTBEAT_MS", 15_000, 10, 3_600_000),
    streamMaxAgeMs: integer("STREAM_MAX_AGE_MS", 210_000, 100, MAX_TIMER_MS),
    maxBufferedBytes: integer("MAX_BUFFERED_BYTES", 1_048_576, 1024, 1_073_741_824),
    maxConnections: integer("MAX_CONNECTIONS", 20_000, 1, 1_000_000),
    graceMs: integer("GRACE_MS", 10_000, 4000, 600_000),
    logLevel: oneOf("LOG_LEVEL", LOG_LEVELS, "info"),
  };
  if (config.pollMinMs > config.pollMaxMs) {
    problems.push(
      `POLL_MIN_MS (${config.pollMinMs}) must not exceed POLL_MAX_MS (${config.pollMaxMs})`,
    );
  }
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(config);
}
