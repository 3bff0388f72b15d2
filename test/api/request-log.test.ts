import { status } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import { startApi } from "../../src/start.ts";
import { FakeScheduler, failing } from "../dts/support/fake-scheduler.ts";
import { startLog } from "../dts/support/log.ts";
import { testConfig } from "../helpers/stack.ts";

async function startLoggedApi(address: string) {
  const log = startLog("info");
  const target = { address, taskHub: "default", authentication: { kind: "none" } } as const;
  const api = await startApi(testConfig({ target }), log.logger);
  onTestFinished(() => api.close());
  const url = new URL(api.url.replace("localhost", "127.0.0.1"));
  return { log, get: (path: string) => fetch(new URL(path, url)) };
}

test("a 503 is one line that names the problem, without a stack and not as an error", async () => {
  const { log, get } = await startLoggedApi("127.0.0.1:1");
  const response = await get("/readyz");
  expect(response.status).toBe(503);
  const line = await log.logged(/request refused/);
  expect(line).toMatchObject({ level: 40, problem: "scheduler-unavailable" });
  expect(line.reason).toMatch(/^GetInstance: /);
  expect(JSON.stringify(line)).not.toMatch(/\bat \S+ \(|"stack"/);
  expect(log.lines.filter(({ level }) => level >= 50)).toEqual([]);
});

test("refused credentials are logged as that, and not as an outage", async () => {
  const { address } = await FakeScheduler.start({ getInstance: failing(status.PERMISSION_DENIED) });
  const { log, get } = await startLoggedApi(address);
  expect((await get("/api/operations/x")).status).toBe(502);
  const line = await log.logged(/^reads: the scheduler/);
  expect(line.msg).toBe("reads: the scheduler does not accept the credentials");
  expect(log.lines.filter(({ msg }) => /does not answer/.test(msg))).toEqual([]);
});
