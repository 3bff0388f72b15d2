import { expect, onTestFinished, test } from "vitest";
import { startApi } from "../../src/start.ts";
import { startLog } from "../dts/support/log.ts";
import { testConfig } from "../helpers/stack.ts";

test("a 503 is one line that names the problem, without a stack and not as an error", async () => {
  const log = startLog("info");
  const target = { address: "127.0.0.1:1", taskHub: "default", authentication: { kind: "none" } };
  const api = await startApi(testConfig({ target: target as never }), log.logger);
  onTestFinished(() => api.close());
  const response = await fetch(new URL("/readyz", api.url.replace("localhost", "127.0.0.1")));
  expect(response.status).toBe(503);
  const line = await log.logged(/request refused/);
  expect(line).toMatchObject({ level: 40, problem: "scheduler-unavailable" });
  expect(line.reason).toMatch(/^GetInstance: /);
  expect(JSON.stringify(line)).not.toMatch(/\bat \S+ \(|"stack"/);
  expect(log.lines.filter(({ level }) => level >= 50)).toEqual([]);
});
