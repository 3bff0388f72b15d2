import { createServer } from "node:http";
import { describe, expect, test } from "vitest";
import {
  type ConformanceOptions,
  checkConformance,
  NotCheckableError,
  type Result,
} from "../../src/cli/conformance/run.ts";
import { useSharedStack } from "../api/support/shared-stack.ts";
import { createKey, createKeyFile } from "../helpers/api-key.ts";
import { violations } from "../helpers/contract/violations.ts";
import { within } from "../helpers/deadline.ts";
import { share } from "../helpers/lifetime.ts";
import { AppProcess } from "../helpers/process.ts";
import { startTestApi, startTestScheduler } from "../helpers/stack.ts";
import { type Fault, startFaultyRelay } from "./support/faulty-relay.ts";
import { listenOn } from "./support/listen.ts";

const SAMPLE = "async_http_api_orchestrator";
const SCOPES = ["read", "start", "control"].map((each) => `operations:${each}`);
const { key, line } = createKey("conformance", ...SCOPES, "streams:token", "hints:send");
const file = share(async () => createKeyFile(line));
const stack = useSharedStack({
  worker: true,
  config: async () => ({
    credentials: {
      apiKeysFile: file.path,
      issuer: undefined,
      streamTokenSecrets: ["s".repeat(32)],
    },
  }),
});

test("this server keeps every promise that is checked", async () => {
  const orchestration = { name: SAMPLE, input: { processing_time: 0.2, steps: 2 } };
  const results = await resultsOf({ url: stack.url, token: key, orchestration });
  expect(results.filter(({ outcome }) => outcome !== "pass")).toEqual([]);
  expect(await startedByChecks()).toEqual([]);
});

const faults: [check: string, reason: string, Fault][] = [
  [
    "status: an active and a terminal document",
    "cursor is",
    { json: (text) => text.replace('"cursor":"2', '"cursor":"A') },
  ],
  ["status: If-None-Match", "200, not 304", { request: without("if-none-match") }],
  [
    "start: an Idempotency-Key",
    "Idempotency-Replayed",
    { answer: without("idempotency-replayed") },
  ],
  [
    "problems: an unknown operation",
    "content-type",
    {
      answer: (headers) => {
        headers["content-type"] = "application/json";
      },
    },
  ],
  ["sse: Last-Event-ID takes precedence", "200, not 204", { request: without("last-event-id") }],
  ["sse: a terminal operation", "without a bye", { event: (text) => (isBye(text) ? "" : text) }],
  [
    "sse: a terminal operation",
    "came after the bye",
    { event: (text) => text + (isBye(text) ? text : "") },
  ],
  ["sse: a terminal operation", "named", { event: (text) => text.replace(/^event: .*\n/m, "") }],
  [
    "sse: a stream follows an operation",
    "(C2)",
    {
      event: (text) =>
        text.includes('"type":"snapshot"')
          ? `${text}${text.replaceAll("snapshot", "update").replace('"resumed":false,', "")}`
          : text,
    },
  ],
  ["steps: a live stream", "seq", { event: (text) => (text.includes('"seq":2,') ? "" : text) }],
  [
    "websocket: operations in the query",
    "subscribed",
    { frame: (text) => (text.includes('"subscribed"') ? undefined : text) },
  ],
  [
    "websocket: a subscription follows",
    "type of a state's message",
    { frame: (text) => text.replace('"type":"snapshot"', '"type":"update"') },
  ],
  ["websocket refusals: what is no message", "close code", { closeCode: 1000 }],
];

test.each(faults)("a fault is found: %s (%s)", async (only, reason, fault) => {
  const url = await startFaultyRelay(stack.url, fault);
  const orchestration = { name: SAMPLE, input: { processing_time: 0, steps: 1 } };
  const [result] = await resultsOf({ url, token: key, only, orchestration });
  expect(result).toMatchObject({ outcome: "fail", reason: expect.stringContaining(reason) });
  violations.splice(0); // What the relay has changed is no answer of this server.
});

test("a check whose answer does not come fails when its time is up", async () => {
  const url = await startFaultyRelay(stack.url, { mutes: "/api/no-such-path" });
  const only = "problems: an unknown path";
  const [result] = await resultsOf({ url, token: key, only, timeoutMs: 1000 });
  const reason = "waited 1000 ms in vain for an answer to GET api/no-such-path";
  expect(result).toMatchObject({ outcome: "fail", reason });
});

test("what needs a worker is skipped without one", async () => {
  const { url } = await startTestApi(await startTestScheduler());
  const [result] = await resultsOf({ url, only: "sse: a terminal operation", timeoutMs: 1000 });
  expect(result).toMatchObject({ outcome: "skip", reason: expect.stringContaining("in vain") });
});

test("it does not begin without a check, a dts-push server or a credential", async () => {
  const other = createServer((_request, response) => response.end("hello"));
  const hello = await listenOn(other);
  const refused = expect.objectContaining({ name: NotCheckableError.name });
  await expect(resultsOf({ url: hello })).rejects.toEqual(refused);
  await expect(resultsOf({ url: stack.url })).rejects.toThrow("answers 401");
  await expect(resultsOf({ url: stack.url, token: key, only: "nothing" })).rejects.toThrow(
    'no check "nothing"',
  );
  violations.splice(0); // Those of the other server.
});

describe("the command", () => {
  const environment = () => ({ DTS_PUSH_URL: stack.url.href, DTS_PUSH_TOKEN: key });

  test("prints each check, and its exit code says whether one failed", async () => {
    const url = await startFaultyRelay(stack.url, { request: without("if-none-match") });
    const args = ["--only", "status: I", "--url", url.href, "--name", SAMPLE];
    const command = AppProcess.start(["conformance", ...args], environment());
    expect(await command.exited()).toMatchObject({ code: 1 });
    expect(command.stdout).toMatch(/^FAIL {2}status: If-None-Match .*200, not 304/);
    expect(command.stdout).toMatch(/\n0 passed, 1 failed, 0 skipped\n$/);
    const open = AppProcess.start(["conformance", "--json"], { DTS_PUSH_URL: stack.url.href });
    expect(await open.exited()).toMatchObject({ code: 2 });
    expect(open.stderr).toMatch(/^dts-push: The server answers 401: .*\n$/);
  });

  test("a signal ends it, and what it has started is purged", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const url = await startFaultyRelay(stack.url, { mutes: "/api/no-such-path", muted: resolve });
    const args = ["--only", "an unknown path", "--timeout", "600", "--url", url.href];
    const command = AppProcess.start(["conformance", ...args], environment());
    await within("the check that is not answered", promise);
    command.signal("SIGINT");
    expect(await command.exited()).toMatchObject({ code: 130 });
    expect(await startedByChecks()).toEqual([]);
  });
});

async function startedByChecks(): Promise<unknown> {
  const query = new URL("/api/operations?prefix=conformance-", stack.url);
  const list = await fetch(query, { headers: { authorization: `Bearer ${key}` } });
  return ((await list.json()) as { operations: unknown }).operations;
}

/** On a busy machine a check takes its time. */
const TIMEOUT_MS = 55_000;

async function resultsOf(options: ConformanceOptions): Promise<Result[]> {
  const results: Result[] = [];
  for await (const each of checkConformance({ timeoutMs: TIMEOUT_MS, ...options })) {
    results.push(each);
  }
  return results;
}

function without(name: string): NonNullable<Fault["request"]> {
  return (headers) => {
    delete headers[name];
  };
}

function isBye(text: string): boolean {
  return text.includes("event: bye\n");
}
