import { parseTrustedProxies, type TrustedProxies } from "./api/access/trusted-proxies.ts";
import {
  type CredentialOptions,
  type CredentialSettings,
  readCredentials,
} from "./api/credentials/credential-settings.ts";
import { parseConnectionString } from "./dts/connection/connection-string.ts";
import { checkTaskHub, type SchedulerTarget, targetFromEndpoint } from "./dts/connection/target.ts";
import { parseRedactedPaths, type RedactedPaths } from "./dts/redaction/paths.ts";
import { readTracing, type TracingConfig } from "./observability/tracing-config.ts";
import { MIN_CLOSE_MS, readSettings, SETTINGS, type Settings } from "./settings.ts";

/** `POLL_MIN_MS` → `pollMinMs` */
export type CamelCase<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Lowercase<Head>}${Capitalize<CamelCase<Tail>>}`
  : Lowercase<Name>;

/** Variables that are not passed on as they are, but are part of something below. */
type Combined =
  | "METRICS_PORT"
  | "ALLOWED_HOSTS"
  | "CORS_ORIGINS"
  | "REDACT"
  | "TRUST_PROXY"
  | keyof CredentialSettings
  | "HINT_URL"
  | "HINT_TOKEN"
  | "HINT_PEERS"
  | "ENDPOINT"
  | "TASKHUB"
  | "TASKHUB_NAME"
  | "DURABLE_TASK_SCHEDULER_CONNECTION_STRING"
  | "AZURE_MANAGED_IDENTITY_CLIENT_ID"
  | "SCHEDULER_TASKHUBS";

type Plain = {
  readonly [Name in Exclude<keyof Settings, Combined> as CamelCase<Name>]: Settings[Name];
};

/**
 * Every setting of the process, read once from the environment: each variable of `SETTINGS` under its
 * name in camel case, and what several of them say together. Times in milliseconds.
 */
export interface Config extends Plain {
  /** `undefined`: `/metrics` is on the API's port. */
  readonly metricsPort: number | undefined;
  /** Further names in `Host`, in lower case: a name, `.name` for it and its subdomains, `*` for any. */
  readonly allowedHosts: readonly string[];
  /** Origins whose pages may use the API, as browsers send them. */
  readonly corsOrigins: readonly string[];
  /** What is masked in custom status, input and result; `undefined` for nothing. */
  readonly redactedPaths: RedactedPaths | undefined;
  /** Proxies whose `X-Forwarded-*` headers are believed; `undefined`: none. */
  readonly trustedProxies: TrustedProxies | undefined;
  /** By what callers are identified. */
  readonly credentials: CredentialOptions;
  readonly hints: HintSettings;
  /** The scheduler that API and worker use. */
  readonly target: SchedulerTarget;
  /** No scheduler is named, so `npm start` runs the embedded one. */
  readonly embedded: boolean;
  /** The only task hubs of the embedded scheduler; `undefined`: each appears on first use. */
  readonly schedulerTaskHubs: readonly string[] | undefined;
  /** How traces are exported; `undefined`: nothing is traced. */
  readonly tracing: TracingConfig | undefined;
}

/** Where hints are sent. @see docs/HINTS.md */
export interface HintSettings {
  /** The API to which the worker sends its own. */
  readonly url: URL | undefined;
  readonly token: string | undefined;
  /** The other replicas. */
  readonly peers: readonly URL[];
}

export type LogLevel = Config["logLevel"];

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
  const settings = readSettings(env, problems);
  settings.DRAIN_DELAY_MS = drainDelayMs(env, settings, problems);
  const { POLL_MIN_MS, POLL_MAX_MS } = settings;
  if (POLL_MIN_MS > POLL_MAX_MS) {
    problems.push(`POLL_MIN_MS (${POLL_MIN_MS}) must not exceed POLL_MAX_MS (${POLL_MAX_MS})`);
  }
  if (env.TASKHUB && env.TASKHUB_NAME && env.TASKHUB !== env.TASKHUB_NAME) {
    problems.push("TASKHUB and TASKHUB_NAME name different task hubs: set one of them");
  }
  const parsed: Parse = (name, parse, fallback) => {
    try {
      return parse(String(settings[name]));
    } catch (error) {
      problems.push(`${name}: ${(error as Error).message}`);
      return fallback;
    }
  };
  const taskHubs = listOf(settings.SCHEDULER_TASKHUBS);
  const named = Object.entries(settings).map(([name, value]) => [camelCase(name), value]);
  const config: Config = {
    ...(Object.fromEntries(named) as Plain),
    metricsPort: settings.METRICS_PORT === "" ? undefined : settings.METRICS_PORT,
    allowedHosts: parsed("ALLOWED_HOSTS", (text) => listOf(text).map(toHost), []),
    corsOrigins: parsed("CORS_ORIGINS", (text) => listOf(text).map(toOrigin), []),
    trustedProxies: parsed("TRUST_PROXY", parseTrustedProxies, undefined),
    redactedPaths: parsed(
      "REDACT",
      (text) => (text ? parseRedactedPaths(text) : undefined),
      undefined,
    ),
    credentials: readCredentials(settings, problems),
    hints: {
      url: parsed("HINT_URL", (text) => (text ? toHttpUrl(text) : undefined), undefined),
      token: settings.HINT_TOKEN || undefined,
      peers: parsed("HINT_PEERS", (text) => listOf(text).map(toPeer), []),
    },
    target: readTarget(settings, parsed),
    embedded: !env.ENDPOINT && !env.DURABLE_TASK_SCHEDULER_CONNECTION_STRING,
    schedulerTaskHubs: taskHubs.length > 0 ? taskHubs : undefined,
    tracing: readTracing(env, problems),
  };
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(config);
}

/** The default leaves room for the rest of the grace period; a value that was set must do so. */
function drainDelayMs(env: NodeJS.ProcessEnv, settings: Settings, problems: string[]): number {
  const { GRACE_MS, DRAIN_DELAY_MS } = settings;
  const atMostMs = GRACE_MS - MIN_CLOSE_MS;
  if (!env.DRAIN_DELAY_MS) return Math.min(SETTINGS.DRAIN_DELAY_MS.default, atMostMs);
  if (DRAIN_DELAY_MS > atMostMs) {
    problems.push(
      `DRAIN_DELAY_MS (${DRAIN_DELAY_MS}) must be at least ${MIN_CLOSE_MS} less than GRACE_MS (${GRACE_MS})`,
    );
  }
  return DRAIN_DELAY_MS;
}

/** Parses a setting; one that cannot be parsed is a problem, and `fallback` takes its place. */
type Parse = <T>(name: keyof Settings, parse: (text: string) => T, fallback: T) => T;

function readTarget(settings: Settings, parsed: Parse): SchedulerTarget {
  const clientId = settings.AZURE_MANAGED_IDENTITY_CLIENT_ID || undefined;
  const { ENDPOINT, TASKHUB } = SETTINGS;
  const fallback = targetFromEndpoint(ENDPOINT.default, TASKHUB.default, clientId);
  if (settings.DURABLE_TASK_SCHEDULER_CONNECTION_STRING) {
    const parse = (text: string) => parseConnectionString(text, clientId);
    return parsed("DURABLE_TASK_SCHEDULER_CONNECTION_STRING", parse, fallback);
  }
  const name = settings.TASKHUB_NAME ? "TASKHUB_NAME" : "TASKHUB";
  const taskHub = parsed(name, checkTaskHub, fallback.taskHub);
  return parsed("ENDPOINT", (text) => targetFromEndpoint(text, taskHub, clientId), fallback);
}

function listOf(text: string): readonly string[] {
  const items = text.split(",").map((item) => item.trim());
  return items.filter(Boolean);
}

/** An entry of ALLOWED_HOSTS in lower case, without a port, which is not compared. */
function toHost(entry: string): string {
  const host = entry.toLowerCase().replace(/:\d+$/, "");
  if (host === "*" || /^(?:\.?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|\[[0-9a-f:.]+\])$/.test(host))
    return host;
  throw new Error(`"${entry}" is not a host name, ".domain" or "*"`);
}

function toHttpUrl(text: string): URL {
  const url = URL.parse(text);
  if (url && /^https?:$/.test(url.protocol)) return url;
  throw new Error(`"${text}" is not a URL such as http://localhost:8000`);
}

/** An entry of HINT_PEERS. Replicas are reached by address, for which there is no certificate. */
function toPeer(text: string): URL {
  const url = URL.parse(text);
  if (url?.protocol === "http:") return url;
  throw new Error(`"${text}" is not an address such as http://api-2:8000`);
}

/** An entry of CORS_ORIGINS as browsers send it. */
function toOrigin(entry: string): string {
  const url = URL.parse(entry);
  if (url && /^https?:$/.test(url.protocol) && url.href === `${url.origin}/`) return url.origin;
  throw new Error(`"${entry}" is not an origin such as https://app.example.com`);
}

function camelCase(name: string): string {
  return name.toLowerCase().replaceAll(/_(.)/g, (_match, letter: string) => letter.toUpperCase());
}
