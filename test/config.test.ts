import { expect, test } from "vitest";
import { ConfigError, readConfig } from "../src/config.ts";

const AZURE = "Endpoint=https://hub.example;TaskHub=mine;Authentication=DefaultAzure";

/** The lines of the message, one for each bad variable. */
function complaints(env: Record<string, string>): string[] {
  try {
    readConfig(env);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message.split("\n").slice(1);
  }
  return [];
}

test("an empty environment gives the documented defaults and the embedded scheduler", () => {
  expect(readConfig({})).toMatchObject({
    host: "127.0.0.1",
    port: 8000,
    target: { address: "localhost:8080", taskHub: "default", authentication: { kind: "none" } },
    embedded: true,
    schedulerPort: 8080,
    schedulerDb: ".data/scheduler.db",
    pollMinMs: 250,
    pollMaxMs: 5000,
    pollReadsPerSecond: 500,
    pollPageSize: 500,
    heartbeatMs: 15_000,
    streamMaxAgeMs: 210_000,
    maxBufferedBytes: 1_048_576,
    maxConnections: 20_000,
    maxConnectionsPerCaller: 10_000,
    maxCommandsPerMinutePerCaller: 6000,
    maxEventLoopDelayMs: 1000,
    maxHeapPercent: 90,
    graceMs: 10_000,
    logLevel: "info",
  });
});

test("what is set is taken, each variable for its own setting", () => {
  const config = readConfig({
    HOST: "0.0.0.0",
    PORT: "0",
    ENDPOINT: "http://scheduler:9000",
    TASKHUB: "mine",
    SCHEDULER_PORT: "9001",
    SCHEDULER_DB: ":memory:",
    POLL_MIN_MS: "100",
    POLL_MAX_MS: "100",
    POLL_READS_PER_SECOND: "1",
    HEARTBEAT_MS: "1000",
    STREAM_MAX_AGE_MS: "60000",
    MAX_BUFFERED_BYTES: "65536",
    LOG_LEVEL: "silent",
  });
  expect(config).toMatchObject({
    host: "0.0.0.0",
    port: 0,
    target: { address: "scheduler:9000", taskHub: "mine" },
    embedded: false,
    schedulerPort: 9001,
    schedulerDb: ":memory:",
    pollMinMs: 100,
    pollMaxMs: 100,
    pollReadsPerSecond: 1,
    heartbeatMs: 1000,
    streamMaxAgeMs: 60_000,
    maxBufferedBytes: 65_536,
    logLevel: "silent",
  });
  expect(Object.isFrozen(config)).toBe(true);
});

test("an empty variable counts as unset", () => {
  const names = ["HOST", "PORT", "ENDPOINT", "TASKHUB", "SCHEDULER_PORT", "SCHEDULER_DB"];
  names.push("TASKHUB_NAME");
  names.push("DURABLE_TASK_SCHEDULER_CONNECTION_STRING", "AZURE_MANAGED_IDENTITY_CLIENT_ID");
  names.push("POLL_MIN_MS", "POLL_MAX_MS", "POLL_READS_PER_SECOND", "HEARTBEAT_MS", "LOG_LEVEL");
  const empty = Object.fromEntries(names.map((name) => [name, ""]));
  expect(readConfig(empty)).toEqual(readConfig({}));
});

test("numbers are whole, decimal and within their bounds", () => {
  expect(readConfig({ PORT: "65535" }).port).toBe(65_535);
  for (const bad of ["65536", "-1", "80.5", "0x50", "8e3", "eighty", "1_000", "NaN", "Infinity"]) {
    expect(complaints({ PORT: bad })).toEqual([
      `  - PORT must be an integer of 0–65535, got "${bad}"`,
    ]);
  }
  for (const name of ["POLL_MIN_MS", "POLL_READS_PER_SECOND", "HEARTBEAT_MS"]) {
    expect(complaints({ [name]: "0" })).toHaveLength(1);
  }
  expect(complaints({ STREAM_MAX_AGE_MS: "99999999999" })).toHaveLength(1);
});

test("every bad variable is named in the one message, and nothing that is right", () => {
  const lines = complaints({
    HOST: "127.0.0.1",
    PORT: "http",
    ENDPOINT: "ftp://somewhere",
    SCHEDULER_PORT: "70000",
    POLL_MIN_MS: "fast",
    POLL_MAX_MS: "-5",
    POLL_READS_PER_SECOND: "0",
    HEARTBEAT_MS: "1.5",
    STREAM_MAX_AGE_MS: "never",
    MAX_BUFFERED_BYTES: "1MB",
    LOG_LEVEL: "loud",
  });
  expect(lines.map((line) => /[A-Z_]{4,}/.exec(line)?.[0]).sort()).toEqual([
    "ENDPOINT",
    "HEARTBEAT_MS",
    "LOG_LEVEL",
    "MAX_BUFFERED_BYTES",
    "POLL_MAX_MS",
    "POLL_MIN_MS",
    "POLL_READS_PER_SECOND",
    "PORT",
    "SCHEDULER_PORT",
    "STREAM_MAX_AGE_MS",
  ]);
});

test("the drain delay leaves time to close: by default it gives way, a value that was set does not", () => {
  expect(readConfig({})).toMatchObject({ graceMs: 10_000, drainDelayMs: 5000 });
  expect(readConfig({ GRACE_MS: "6000" }).drainDelayMs).toBe(2000);
  expect(readConfig({ GRACE_MS: "4000" }).drainDelayMs).toBe(0);
  expect(readConfig({ GRACE_MS: "4000", DRAIN_DELAY_MS: "0" }).drainDelayMs).toBe(0);
  expect(complaints({ GRACE_MS: "8000", DRAIN_DELAY_MS: "5000" })).toEqual([
    "  - DRAIN_DELAY_MS (5000) must be at least 4000 less than GRACE_MS (8000)",
  ]);
});

test("the port of the metrics is a number or none", () => {
  expect(readConfig({}).metricsPort).toBeUndefined();
  expect(readConfig({ METRICS_PORT: "9090" }).metricsPort).toBe(9090);
  expect(readConfig({ METRICS_PORT: "0" }).metricsPort).toBe(0);
  expect(complaints({ METRICS_PORT: "70000" })).toEqual([expect.stringMatching(/METRICS_PORT/)]);
});

test("trusted proxies are addresses, ranges or a number, and a bad entry is named", () => {
  expect(readConfig({}).trustedProxies).toBeUndefined();
  expect(readConfig({ TRUST_PROXY: "10.0.0.0/8" }).trustedProxies?.("10.1.2.3", 0)).toBe(true);
  expect(complaints({ TRUST_PROXY: "true" })).toEqual([
    expect.stringMatching(/TRUST_PROXY: "true"/),
  ]);
});

test("what is masked is a list of paths, and a bad one is named", () => {
  expect(readConfig({}).redactedPaths).toBeUndefined();
  const { redactedPaths } = readConfig({ REDACT: "$.input.password, $..token" });
  expect(redactedPaths?.input.at("password").isEnd).toBe(true);
  expect(redactedPaths?.result.at("password").isEnd).toBe(false);
  expect(redactedPaths?.custom_status.at("any").at("token").isEnd).toBe(true);
  expect(complaints({ REDACT: "$..token, $.input[?@.x]" })).toEqual([
    '  - REDACT: "$.input[?@.x]" is not a path such as $.input.user.email or $..password',
  ]);
});

test("credentials: a file of keys, an issuer with its audiences, secrets of stream tokens", () => {
  expect(readConfig({}).credentials).toEqual({
    apiKeysFile: undefined,
    issuer: undefined,
    streamTokenSecrets: [],
  });
  const [secret, previous] = ["s".repeat(32), "é".repeat(16)] as const;
  const { credentials } = readConfig({
    API_KEYS_FILE: "/run/secrets/keys.jsonl",
    JWT_ISSUER: "https://login.microsoftonline.com/tenant/v2.0",
    JWT_AUDIENCE: "api://dts-push, 1c5b7f2e",
    JWT_JWKS_URL: "http://localhost:9000/keys",
    STREAM_TOKEN_SECRET: secret,
    STREAM_TOKEN_SECRET_PREVIOUS: previous,
  });
  expect(credentials).toEqual({
    apiKeysFile: "/run/secrets/keys.jsonl",
    issuer: {
      issuer: "https://login.microsoftonline.com/tenant/v2.0",
      audiences: ["api://dts-push", "1c5b7f2e"],
      jwksUrl: new URL("http://localhost:9000/keys"),
    },
    streamTokenSecrets: [secret, previous],
  });
  expect(complaints({ ALLOW_ANONYMOUS: "yes" })).toEqual([
    '  - ALLOW_ANONYMOUS must be one of true, false, got "yes"',
  ]);
});

test("credentials that contradict each other or are too weak are named, and no secret is shown", () => {
  const lines = complaints({
    JWT_AUDIENCE: "api://dts-push",
    JWT_JWKS_URL: "https://issuer.example/keys",
    STREAM_TOKEN_SECRET_PREVIOUS: "short-secret",
  });
  expect(lines).toEqual([
    "  - JWT_AUDIENCE needs JWT_ISSUER",
    "  - JWT_JWKS_URL needs JWT_ISSUER",
    "  - STREAM_TOKEN_SECRET_PREVIOUS must be at least 32 bytes",
    "  - STREAM_TOKEN_SECRET_PREVIOUS needs STREAM_TOKEN_SECRET",
  ]);
  for (const JWT_ISSUER of ["http://issuer.example", "issuer.example", "ftp://localhost"]) {
    expect(complaints({ JWT_ISSUER, JWT_AUDIENCE: "a" }), JWT_ISSUER).toEqual([
      `  - JWT_ISSUER must be an https:// URL, or http://localhost, got "${JWT_ISSUER}"`,
    ]);
  }
  expect(complaints({ JWT_ISSUER: "https://issuer.example", JWT_AUDIENCE: " , " })).toEqual([
    "  - JWT_ISSUER needs JWT_AUDIENCE: without it tokens for other APIs would be accepted",
  ]);
});

test("the sample is on or off", () => {
  expect(readConfig({}).sample).toBe("on");
  expect(readConfig({ SAMPLE: "off" }).sample).toBe("off");
  expect(complaints({ SAMPLE: "no" })).toEqual(['  - SAMPLE must be one of on, off, got "no"']);
});

test("the shortest poll interval must not exceed the longest", () => {
  expect(complaints({ POLL_MIN_MS: "6000" })).toEqual([
    "  - POLL_MIN_MS (6000) must not exceed POLL_MAX_MS (5000)",
  ]);
});

test("the connection string wins over endpoint and task hub, whatever these hold", () => {
  const { target, embedded } = readConfig({
    ENDPOINT: "http://elsewhere:1",
    TASKHUB: "other",
    DURABLE_TASK_SCHEDULER_CONNECTION_STRING: AZURE,
  });
  expect(embedded).toBe(false);
  expect(target).toEqual({
    address: "hub.example:443",
    taskHub: "mine",
    authentication: { kind: "defaultazure" },
  });
});

test("a task hub alone still means the embedded scheduler", () => {
  const { target, embedded } = readConfig({ TASKHUB: "mine" });
  expect(embedded).toBe(true);
  expect(target.taskHub).toBe("mine");
});

test("a client id selects the managed identity for https endpoints, and none for http", () => {
  const id = { AZURE_MANAGED_IDENTITY_CLIENT_ID: "client" };
  const kinds = ["https://hub.example", "http://localhost:8080"].map(
    (ENDPOINT) => readConfig({ ENDPOINT, ...id }).target.authentication,
  );
  expect(kinds).toEqual([{ kind: "managedidentity", clientId: "client" }, { kind: "none" }]);
});

test("no part of a connection string is echoed, however bad it is", () => {
  const secrets = "ClientID=s3cret;TenantId=s3cret;TokenFilePath=/s3cret";
  for (const bad of [
    "s3cret",
    `${secrets};Endpoint=https://hub;TaskHub=t`,
    `${secrets};Endpoint=https://hub;TaskHub=t;Authentication=s3cret`,
    `${secrets};Endpoint=ftp://s3cret:s3cret@hub;TaskHub=t;Authentication=None`,
    `${secrets};Endpoint=https://s3cret:s3cret@hub.example;TaskHub=t;Authentication=None`,
    `${secrets};s3cret;Endpoint=https://hub.example;TaskHub=t;Authentication=None`,
    `${secrets};Password=s3cret;Endpoint=https://hub.example;TaskHub=t;Authentication=None`,
  ]) {
    const lines = complaints({ DURABLE_TASK_SCHEDULER_CONNECTION_STRING: bad });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain("DURABLE_TASK_SCHEDULER_CONNECTION_STRING");
    expect(lines[0]).not.toContain("s3cret");
  }
});

test("a task hub that no header can carry is refused, under the variable that holds it", () => {
  for (const bad of ["mé", "a\nb", "a\u0000b", "任务"]) {
    expect(complaints({ TASKHUB: bad })).toEqual([expect.stringContaining("  - TASKHUB")]);
    const text = `Endpoint=http://hub;Authentication=None;TaskHub=${bad}`;
    expect(complaints({ DURABLE_TASK_SCHEDULER_CONNECTION_STRING: text })).toEqual([
      expect.stringContaining("  - DURABLE_TASK_SCHEDULER_CONNECTION_STRING"),
    ]);
  }
});

test("TASKHUB_NAME is another name of TASKHUB, and both must not differ", () => {
  const taskHub = (env: Record<string, string>) => readConfig(env).target.taskHub;
  expect(taskHub({ TASKHUB_NAME: "mine" })).toBe("mine");
  expect(taskHub({ TASKHUB_NAME: "mine", TASKHUB: "mine" })).toBe("mine");
  expect(taskHub({ TASKHUB_NAME: "", TASKHUB: "mine" })).toBe("mine");
  expect(complaints({ TASKHUB_NAME: "mine", TASKHUB: "default" })).toEqual([
    "  - TASKHUB and TASKHUB_NAME name different task hubs: set one of them",
  ]);
  expect(complaints({ TASKHUB_NAME: "é" })).toEqual([expect.stringContaining("  - TASKHUB_NAME")]);
});
