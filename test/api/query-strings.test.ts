import { pino } from "pino";
import { expect, onTestFinished, test } from "vitest";
import { startApi } from "../../src/start.ts";
import { instance, ScriptedScheduler } from "../helpers/scripted-scheduler.ts";
import { testConfig } from "../helpers/stack.ts";

/** An API whose log lines are collected. */
async function startLogged() {
  const scheduler = await ScriptedScheduler.start(new Map([["op", instance()]]));
  const lines: Record<string, unknown>[] = [];
  const logger = pino(
    { level: "trace" },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  );
  const target = { ...testConfig().target, address: scheduler.address };
  const api = await startApi(testConfig({ target }), logger);
  onTestFinished(() => api.close());
  const url = new URL(api.url.replace("localhost", "127.0.0.1"));
  return { lines, get: (path: string) => fetch(new URL(path, url)) };
}

test("no log line holds a query string, whatever the answer is", async () => {
  const { lines, get } = await startLogged();
  for (const path of [
    "/healthz",
    "/api/operations/op",
    "/api/operations?operation_id=op",
    "/api/operations/%zz",
    "/api/ws",
    "/nope",
    "/api/start-operation",
  ]) {
    await (await get(`${path}${path.includes("?") ? "&" : "?"}access_token=s3cret`)).text();
  }
  expect(lines.some((line) => (line.req as { path?: string })?.path === "/healthz")).toBe(true);
  expect(JSON.stringify(lines)).not.toMatch(/s3cret|access_token/);
});
