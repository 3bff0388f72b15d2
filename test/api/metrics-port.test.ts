import { expect, onTestFinished, test } from "vitest";
import { startApi } from "../../src/start.ts";
import { eventually } from "../helpers/deadline.ts";
import { freePort } from "../helpers/free-port.ts";
import { AppProcess } from "../helpers/process.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { logger, startTestApi, testConfig } from "../helpers/stack.ts";
import { checkProblem } from "./support/problem.ts";
import { exchange, splitAnswer } from "./support/raw-connection.ts";

/** Not by `fetch`, whose answers are checked against the document of a server without METRICS_PORT. */
const get = (url: URL, path: string, host = "localhost") =>
  exchange(url, `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`);

const TYPE = /^text\/plain; version=0\.0\.4/;

test("METRICS_PORT has the metrics and nothing else, and the API's port has all else", async () => {
  const scheduler = await ScriptedScheduler.start([instance()]);
  const target = { ...testConfig().target, address: scheduler.address };
  const api = await startApi(testConfig({ target, metricsPort: 0, maxHeapPercent: 1 }), logger);
  onTestFinished(() => api.close());
  const metricsUrl = new URL((api.metricsUrl ?? "").replace("localhost", "127.0.0.1"));
  expect(metricsUrl.port).not.toBe(new URL(api.url).port);

  const response = await fetch(new URL("/metrics", metricsUrl));
  expect(response.headers.get("content-type")).toMatch(TYPE);
  expect(response.headers.get("x-content-type-options")).toBe("nosniff");
  expect(await response.text()).toContain("\ndts_push_connections");
  for (const path of ["/", "/healthz", "/api/operations/op", "/openapi.json", "/metrics/"]) {
    checkProblem(splitAnswer(await get(metricsUrl, path)).body, 404, "not-found", path);
  }
  expect(await get(metricsUrl, "/metrics", "evil.example")).toMatch(/^HTTP\/1\.1 421 /);
  expect(await exchange(metricsUrl, "nonsense\r\n\r\n")).toMatch(/^HTTP\/1\.1 400 /);

  const moved = await get(new URL(api.url.replace("localhost", "127.0.0.1")), "/metrics");
  checkProblem(splitAnswer(moved).body, 404, "not-found");
  const document = await (await fetch(new URL("/openapi.json", api.url))).text();
  expect(document).not.toContain('"/metrics"');
});

test("without METRICS_PORT the metrics are on the API's port", async () => {
  const { url } = await startTestApi((await ScriptedScheduler.start()).address);
  expect((await fetch(new URL("/metrics", url))).headers.get("content-type")).toMatch(TYPE);
});

test("SIGTERM closes the port of the metrics, after the drain", async () => {
  const app = AppProcess.start(["all"], { METRICS_PORT: "0", DRAIN_DELAY_MS: "1000" });
  await app.url();
  const [, port] = await app.printed(/"url":"http:\/\/localhost:(\d+)".*metrics listen/);
  const scrape = async () => (await fetch(`http://127.0.0.1:${port}/metrics`)).status;
  expect(await scrape()).toBe(200);
  app.signal("SIGTERM");
  await app.printed(/"msg":"closing"/);
  expect(await scrape()).toBe(200);
  expect(await app.exited()).toEqual({ code: 0, signal: null });
  await eventually("the port to be closed", () =>
    scrape().then(
      () => false,
      () => true,
    ),
  );
});

test("a port of the metrics that is in use is named with its variable", async () => {
  const port = await freePort();
  const app = AppProcess.start(["all"], { PORT: String(port), METRICS_PORT: String(port) });
  expect((await app.exited()).code).toBe(1);
  expect(app.stdout).toContain(
    `127.0.0.1:${port} is in use. Choose another port with METRICS_PORT.`,
  );
});
