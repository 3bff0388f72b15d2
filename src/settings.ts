import { type TSchema, Type } from "typebox";
import { Value } from "typebox/value";

/** The schema of one environment variable, with what the documentation says of it. */
export type Setting<T> = TSchema & {
  readonly default: T;
  readonly description: string;
  /** The values that it takes, for the documentation: "0–65535", or "" for any text. */
  readonly values: string;
};

function integer(value: number, minimum: number, maximum: number, description: string) {
  const values = `${minimum}–${maximum}`;
  const schema = Type.Integer({ default: value, minimum, maximum, description, values });
  return schema as TSchema as Setting<number>;
}

/** A number without a default. */
function optionalInteger(minimum: number, maximum: number, description: string) {
  const values = `${minimum}–${maximum}`;
  const schema = Type.Integer({ default: "", minimum, maximum, description, values });
  return schema as TSchema as Setting<number | "">;
}

function oneOf<const T extends string>(allowed: readonly T[], value: T, description: string) {
  const values = allowed.join(", ");
  const schema = Type.Enum([...allowed], { default: value, description, values });
  return schema as TSchema as Setting<T>;
}

function text(value: string, description: string) {
  const schema = Type.String({ default: value, description, values: "" });
  return schema as TSchema as Setting<string>;
}

/** A variable without a default. */
const optional = (description: string) => text("", description);

const MAX_TIMER_MS = 2 ** 31 - 1;

/** What closing takes at the least, beside the drain delay, in milliseconds. */
export const MIN_CLOSE_MS = 4000;

/**
 * Every environment variable that the process reads. `npm run docs` writes the README's table from
 * here, and `--help` prints the same.
 */
export const SETTINGS = {
  HOST: text("127.0.0.1", "address on which the API listens"),
  PORT: integer(8000, 0, 65_535, "port of the API; `0` picks a free one and prints it"),
  METRICS_PORT: optionalInteger(
    0,
    65_535,
    "port of its own for `/metrics` on `HOST`, where it needs no credential; the API's has no `/metrics` then. `0` picks a free one and logs it",
  ),
  ALLOWED_HOSTS: optional(
    "comma-separated further names in a request's `Host`: `push.example.com`, `.example.com` for it and its subdomains, or `*`. `localhost`, `HOST` and the address that a client connected to are always allowed",
  ),
  CORS_ORIGINS: optional(
    "comma-separated origins whose pages may use the API, such as `https://app.example.com`",
  ),
  TRUST_PROXY: optional(
    "proxies whose `X-Forwarded-For` and `X-Forwarded-Host` are believed: comma-separated addresses and ranges, such as `10.0.0.0/8` or `loopback`, or the number of proxies if no client can reach this server except through them. Without it every client of a proxy counts as one caller",
  ),
  API_KEYS_FILE: optional(
    "file of API keys, one JSON object a line: `npm run make-key` makes them. It is read again when it changes",
  ),
  JWT_ISSUER: optional(
    "issuer whose access tokens are accepted, exactly as in their `iss`: `https://login.microsoftonline.com/<tenant>/v2.0`",
  ),
  JWT_AUDIENCE: optional(
    "comma-separated names of this API in `aud` of those tokens. Required with `JWT_ISSUER`",
  ),
  JWT_JWKS_URL: optional(
    "where the issuer's keys are. Without it OpenID Connect Discovery at `JWT_ISSUER` finds them",
  ),
  STREAM_TOKEN_SECRET: optional(
    "signs stream tokens: at least 32 bytes, the same at all replicas. Without it each process has a random one",
  ),
  STREAM_TOKEN_SECRET_PREVIOUS: optional(
    "the secret before it, whose tokens are still accepted while the secret is being replaced",
  ),
  ALLOW_ANONYMOUS: oneOf(
    ["true", "false"],
    "false",
    "`true` lets a server without credentials listen on more than loopback, for one behind something that authenticates",
  ),
  SAMPLE: oneOf(
    ["on", "off"],
    "on",
    "`off` removes the sample: its worker from `npm start`, its start endpoint and the page's form. For teams that only watch operations of their own",
  ),
  ENDPOINT: text(
    "http://localhost:8080",
    "the scheduler, `http://host:port` or `https://host`. While this and the connection string are unset, `npm start` starts the embedded scheduler",
  ),
  TASKHUB: text("default", "the task hub"),
  TASKHUB_NAME: optional("the same as `TASKHUB`, under the name in DTS's own documentation"),
  DURABLE_TASK_SCHEDULER_CONNECTION_STRING: optional(
    "`Endpoint=…;TaskHub=…;Authentication=…`; takes precedence over the two above",
  ),
  AZURE_MANAGED_IDENTITY_CLIENT_ID: optional(
    "client id of a user-assigned managed identity; without it `https://` endpoints use `DefaultAzureCredential`, `http://` endpoints use no credentials",
  ),
  SCHEDULER_PORT: integer(8080, 0, 65_535, "port of the embedded scheduler; `0` picks a free one"),
  SCHEDULER_DB: text(
    ".data/scheduler.db",
    "file of the embedded scheduler; `:memory:` keeps nothing",
  ),
  SCHEDULER_SYNC: oneOf(
    ["full", "normal"],
    "full",
    "`full`: what the embedded scheduler has acknowledged survives a power failure; `normal` is faster, and only survives a crash of the process",
  ),
  SCHEDULER_TASKHUBS: optional(
    "comma-separated names of the only task hubs of the embedded scheduler; without it each appears when something is first stored in it",
  ),
  SCHEDULER_RETENTION_DAYS: integer(
    30,
    1,
    36_500,
    "days for which the embedded scheduler keeps an instance after its end",
  ),
  POLL_MIN_MS: integer(
    250,
    10,
    3_600_000,
    "shortest time between two reads of one watched operation. The time between two reads is an eighth of the time since the last change, but not shorter than this",
  ),
  POLL_MAX_MS: integer(
    5000,
    10,
    3_600_000,
    "longest time between two reads of one watched operation, if the read budget allows",
  ),
  POLL_MIN_HINTED_MS: integer(
    2000,
    10,
    3_600_000,
    "takes the place of `POLL_MIN_MS` for an operation whose changes hints announce (docs/HINTS.md), up to `POLL_MAX_MS`",
  ),
  POLL_READS_PER_SECOND: integer(
    500,
    1,
    100_000,
    "read budget: reads of the scheduler per second by this replica, for all operations together; beyond it, all are read less often",
  ),
  POLL_PAGE_SIZE: integer(
    500,
    0,
    1000,
    "instances per page where one query refreshes many watched operations; `0` reads each by itself",
  ),
  MAX_FEEDS: integer(
    100,
    1,
    10_000,
    "different prefixes whose feeds are followed at a time. Clients of one more are refused for now, with a time to reconnect after. The feed without a prefix is not counted",
  ),
  MAX_SUBSCRIPTIONS_PER_CALLER: integer(
    10_000,
    1,
    10_000_000,
    "subscriptions of one caller at a time, over all its connections. New streams above it are refused for now, with a time to reconnect after",
  ),
  COMPLETION_CALLS: integer(
    500,
    0,
    10_000,
    "open calls that wait for the end of a watched operation, beside the read budget; `0` turns them off",
  ),
  HINT_URL: optional(
    "where the worker sends hints: the API, such as `http://localhost:8000`. `npm start` sends its own",
  ),
  HINT_TOKEN: optional(
    "credential of hints, with the scope `hints:send`, for the worker and for `HINT_PEERS`",
  ),
  HINT_PEERS: optional(
    "comma-separated addresses of the other replicas, for hints: `http://api-1:8000,http://api-2:8000`, or one name that resolves to all of them, `http://dts-push-replicas:8000`. Its own address may be among them",
  ),
  HEARTBEAT_MS: integer(15_000, 10, 3_600_000, "time between two heartbeats of a stream"),
  STREAM_MAX_AGE_MS: integer(
    210_000,
    100,
    MAX_TIMER_MS,
    "age (±20 %) at which a stream is asked to reconnect; the default is below Azure's ingress limits",
  ),
  MAX_BUFFERED_BYTES: integer(
    1_048_576,
    1024,
    1_073_741_824,
    "unsent bytes per client before it is disconnected as too slow",
  ),
  MAX_CONNECTIONS: integer(
    20_000,
    1,
    1_000_000,
    "open streams. New ones above it are refused for now, with a time to reconnect after. A lower limit of open files (`ulimit -n`) replaces it",
  ),
  MAX_CONNECTIONS_PER_CALLER: integer(
    10_000,
    1,
    1_000_000,
    "open streams of one caller: an API key or the subject of a token, else an address. New ones above it are refused for now, with a time to reconnect after",
  ),
  MAX_COMMANDS_PER_MINUTE_PER_CALLER: integer(
    6000,
    0,
    1_000_000_000,
    "requests of one caller in a minute that start, change or purge operations; more are `429`. `0`: no limit",
  ),
  MAX_AUTH_FAILURES_PER_MINUTE: integer(
    100,
    0,
    1_000_000_000,
    "credentials that are not valid from one address in a minute; then all its credentials are `429` until the minute is over. `0`: no limit",
  ),
  MAX_EVENT_LOOP_DELAY_MS: integer(
    1000,
    0,
    60_000,
    "mean delay of the event loop over 5 s. While it is longer, requests are `503` and new streams are refused for now, with a time to reconnect after; probes, metrics and open streams go on. `0`: no limit",
  ),
  MAX_HEAP_PERCENT: integer(
    90,
    0,
    100,
    "used part of the memory that Node may have for objects (`--max-old-space-size`). While it is more, as for `MAX_EVENT_LOOP_DELAY_MS`. `0`: no limit",
  ),
  REDACT: optional(
    "comma-separated JSON paths of `$.custom_status`, `$.input` and `$.result` whose values are shown as `[REDACTED]`: `$.input.password, $.custom_status.cards[*].number, $..token`. The same at all replicas",
  ),
  GRACE_MS: integer(
    10_000,
    MIN_CLOSE_MS,
    600_000,
    "time within which the process ends after a signal; clients that are disconnected reconnect spread over it",
  ),
  DRAIN_DELAY_MS: integer(
    5000,
    0,
    600_000 - MIN_CLOSE_MS,
    `time after SIGTERM in which \`/readyz\` is already 503 and everything is still served, so that load balancers notice. Part of \`GRACE_MS\`, of which at least ${MIN_CLOSE_MS} remain`,
  ),
  LOG_LEVEL: oneOf(
    ["fatal", "error", "warn", "info", "debug", "trace", "silent"],
    "info",
    "lowest level that is logged",
  ),
} as const;

export type Settings = {
  -readonly [Name in keyof typeof SETTINGS]: (typeof SETTINGS)[Name]["default"];
};

/** Reads every setting from `env`. An empty variable counts as unset, a bad one adds to `problems`. */
export function readSettings(env: NodeJS.ProcessEnv, problems: string[]): Settings {
  const read = ([name, schema]: [string, Setting<unknown>]) => {
    const text = env[name];
    if (!text) return [name, schema.default];
    // Decimal digits only: Number() would also take "0x50" and "8e3".
    const value = Type.IsInteger(schema) && /^\d+$/.test(text.trim()) ? Number(text) : text;
    if (Value.Check(schema, value)) return [name, value];
    const kind = Type.IsInteger(schema) ? "an integer of" : "one of";
    problems.push(`${name} must be ${kind} ${schema.values}, got "${text}"`);
    return [name, schema.default];
  };
  return Object.fromEntries(Object.entries<Setting<unknown>>(SETTINGS).map(read)) as Settings;
}
