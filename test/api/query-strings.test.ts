import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { startApi } from "../../src/start.ts";
import { eventually } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { testConfig } from "../helpers/stack.ts";

/** An API whose log lines are collected. */
async function startLogged() {
  const scheduler = await ScriptedScheduler.start([instance()]);
  const lines: Record<string, unknown>[] = [];
  const logger = pino(
    { level: "trace" },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  );
  const target = { ...testConfig().target, address: scheduler.address };
  const api = await startApi(testConfig({ target }), logger);
  onTestFinished(() => api.close());
  const url = new URL(api.url.replace("localhost", "127.0.0.1"));
  return { lines, url };
}

test("no log line holds a query string, whatever the answer is", async () => {
  const { lines, url } = await startLogged();
  const paths = [
    "/healthz",
    "/api/operations/op",
    "/api/operations?operation_id=op",
    "/api/operations/%zz",
    "/api/ws",
    "/nope",
    "/api/start-operation",
  ];
  for (const path of paths) {
    const query = `${path.includes("?") ? "&" : "?"}access_token=s3cret`;
    await (await fetch(new URL(path + query, url))).text();
  }
  await eventually("a line for each", () => requestLines(lines).length === paths.length);
  expect(JSON.stringify(lines)).not.toMatch(/s3cret|access_token/);
});

test("no log line holds what a header or a body says", async () => {
  const { lines, url } = await startLogged();
  const headers = {
    authorization: "Bearer s3cret",
    cookie: "session=s3cret",
    "user-agent": "s3cret",
    "x-request-id": "s3cret, or not",
    "x-forwarded-for": "s3cret",
  };
  const bodies = [
    ["application/json", '{"processing_time":"s3cret"}'],
    ["application/json", '{"operation_id":"s3cret\\u0000"}'],
    ["application/json", "s3cret"],
    ["text/s3cret", "s3cret"],
  ] as const;
  for (const [type, body] of bodies) {
    const init = { method: "POST", headers: { ...headers, "content-type": type }, body };
    await (await fetch(new URL("/api/start-operation", url), init)).text();
  }
  const client = await SseClient.connect(new URL("/api/operations/op/events", url), {
    ...headers,
    "last-event-id": "s3cret",
  });
  await client.next();
  client.destroy();
  await eventually("a line for each", () => requestLines(lines).length === bodies.length);
  await eventually("the stream's last line", () =>
    lines.some(({ msg }) => msg === "stream closed"),
  );
  expect(JSON.stringify(lines)).not.toMatch(/s3cret/);
});

function requestLines(lines: readonly Record<string, unknown>[]) {
  return lines.filter(({ msg }) => msg === "request");
}
