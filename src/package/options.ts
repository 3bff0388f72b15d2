import type { Authenticate } from "../api/credentials/app-callers.ts";
import { type CamelCase, type Config, readConfig } from "../config.ts";
import { SETTINGS, type Settings } from "../settings.ts";

/** Settings that are for a process with more than the API, or have another name here. */
const NOT_OPTIONS = [
  "SCHEDULER_PORT",
  "SCHEDULER_DB",
  "SCHEDULER_SYNC",
  "SCHEDULER_TASKHUBS",
  "SCHEDULER_RETENTION_DAYS",
  "HINT_URL",
  "LOG_LEVEL",
  "TASKHUB",
  "TASKHUB_NAME",
  "DURABLE_TASK_SCHEDULER_CONNECTION_STRING",
  "ALLOW_ANONYMOUS",
] as const;
/** Settings of the server, which an application with a server of its own decides. */
const OF_SERVER = [
  "HOST",
  "PORT",
  "METRICS_PORT",
  "TRUST_PROXY",
  "GRACE_MS",
  "DRAIN_DELAY_MS",
  "MAX_EVENT_LOOP_DELAY_MS",
  "MAX_HEAP_PERCENT",
] as const;
/** Settings that list several values. */
type Lists = "ALLOWED_HOSTS" | "CORS_ORIGINS" | "HINT_PEERS" | "JWT_AUDIENCE" | "REDACT";

type OptionsOf<Name extends keyof Settings> = {
  readonly [Each in Name as CamelCase<Each>]?:
    | Settings[Each]
    | (Each extends Lists ? readonly string[] : never)
    | undefined;
};
type ServerSetting = (typeof OF_SERVER)[number];
type ApiSetting = Exclude<keyof Settings, (typeof NOT_OPTIONS)[number] | ServerSetting>;

/** What both ways to run dts-push in a process of one's own have in common. */
interface Common {
  /** The task hub. Default: `default`. */
  readonly taskHub?: string;
  /** `Endpoint=…;TaskHub=…;Authentication=…`; takes precedence over `endpoint` and `taskHub`. */
  readonly connectionString?: string;
  /** Says who makes a request. Without it callers need a credential: `apiKeysFile` or `jwtIssuer`. */
  readonly authenticate?: Authenticate | undefined;
  /** Lets everybody who reaches the server read, start and control all operations. Default: `false`. */
  readonly allowAnonymous?: boolean;
}

/**
 * Options of the plugin: the README's settings under their names in camel case (`POLL_MIN_MS` is
 * `pollMinMs`), with the same meaning, limits and defaults; only `sample` is off.
 */
export interface DtsPushOptions extends Common, OptionsOf<ApiSetting> {
  /** Begins every path of the API, such as `/push/api/operations`. Default: `/push`. */
  readonly prefix?: string;
}

/** The same for a server of its own. `host` is `127.0.0.1`, `port` 8000 and `drainDelayMs` 0 by default. */
export interface StandAloneOptions extends Common, OptionsOf<ApiSetting | ServerSetting> {}

/** Options whose settings have other names. */
const ALIASES: Readonly<Record<string, string>> = {
  taskHub: "TASKHUB",
  connectionString: "DURABLE_TASK_SCHEDULER_CONNECTION_STRING",
  allowAnonymous: "ALLOW_ANONYMOUS",
};
const UNKNOWN: readonly string[] = NOT_OPTIONS;

/** @throws ConfigError for values, TypeError for names */
export function configOf(
  options: Omit<DtsPushOptions, "prefix" | "authenticate">,
  besides: readonly ServerSetting[] = [],
): Config {
  const refused: readonly string[] = OF_SERVER.filter((name) => !besides.includes(name));
  const env: Record<string, string> = { SAMPLE: "off" };
  for (const [key, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const name = key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
    const isKnown = Object.hasOwn(SETTINGS, name) && !UNKNOWN.includes(name);
    const setting = ALIASES[key] ?? (isKnown && !refused.includes(name) ? name : undefined);
    if (!setting) throw new TypeError(`dts-push has no option "${key}"`);
    env[setting] = String(value);
  }
  return readConfig(env);
}

/** @see StandAloneOptions */
export function standAloneConfig(options: Omit<StandAloneOptions, "authenticate">): Config {
  return configOf({ drainDelayMs: 0, ...options } as typeof options, OF_SERVER);
}
