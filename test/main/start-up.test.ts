import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../helpers/free-port.ts";
import { AppProcess, temporaryFolder } from "../helpers/process.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { startOperation } from "./support.ts";

/** Follows an operation from its start to its end. */
async function follow(url: URL): Promise<string[]> {
  const id = await startOperation(url, { processing_time: 1, steps: 2 });
  const client = await SseClient.connect(new URL(`/api/operations/${id}/events`, url));
  const events = await client.untilBye();
  expect(events.at(-2)?.data.operation).toMatchObject({
    status: "Completed",
    result: { operation_id: id, status: "completed" },
  });
  return events.map(({ event, data }) => data.reason ?? event);
}

/** A port that is taken for as long as the test runs. */
async function takenPort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return String((server.address() as AddressInfo).port);
}

test("with no arguments everything runs in one process, which prints its URL and two curl lines", async () => {
  const folder = await temporaryFolder();
  const app = AppProcess.start(["start"], { SCHEDULER_DB: "data/scheduler.db" }, { folder });
  const url = await app.url();
  const base = `http://localhost:${url.port}`;
  expect(app.stdout).toContain(
    `curl -s -X POST ${base}/api/start-operation -H 'content-type: application/json' -d '{"processing_time": 10}'`,
  );
  expect(app.stdout).toContain(`curl -N ${base}/api/operations/$ID/events`);
  expect((await fetch(url)).headers.get("content-type")).toMatch(/^text\/html/);
  expect((await follow(url)).at(-1)).toBe("terminal");
  expect(existsSync(join(folder, "data/scheduler.db"))).toBe(true);
  expect(app.stderr).toBe("");
});

test("the same with scheduler, worker and API in three processes", async () => {
  const scheduler = AppProcess.start(["scheduler"], {});
  const ENDPOINT = `http://${await scheduler.schedulerAddress()}`;
  const worker = AppProcess.start(["worker"], { ENDPOINT, TASKHUB: "ours" });
  const api = AppProcess.start(["api"], {
    DURABLE_TASK_SCHEDULER_CONNECTION_STRING: `Endpoint=${ENDPOINT};TaskHub=ours;Authentication=None`,
  });
  await worker.printed(/worker connected/);
  expect((await follow(await api.url())).at(-1)).toBe("terminal");
  for (const each of [api, worker, scheduler]) {
    expect(await each.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    expect(each.stderr).toBe("");
  }
});

test("the printed lines can be pasted into a shell", async () => {
  const app = AppProcess.start(["start"], {});
  await app.url();
  const lines = app.stdout.split("\n").filter((line) => /curl/.test(line));
  expect(lines).toHaveLength(2);
  const script = lines.join("\n").replace('"processing_time": 10', '"processing_time": 0');
  const { stdout } = await promisify(execFile)("bash", ["-ec", script]);
  expect(stdout).toMatch(/^event: bye$/m);
});

test("the role all with an ENDPOINT starts only the API, and prints how to add the sample's worker", async () => {
  const scheduler = AppProcess.start(["scheduler"], {});
  const ENDPOINT = `http://${await scheduler.schedulerAddress()}`;
  const app = AppProcess.start(["all"], { ENDPOINT });
  const url = await app.url();
  expect(app.stdout).not.toMatch(/scheduler listens|worker connected/);
  expect(app.stdout).toContain("with the same settings: npm run worker");
  const id = await startOperation(url, { processing_time: 0 });
  const status = new URL(`/api/operations/${id}`, url);
  expect(await (await fetch(status)).json()).toMatchObject({ status: "PENDING" });

  AppProcess.start(["worker"], { ENDPOINT });
  const stream = await SseClient.connect(new URL(`/api/operations/${id}/events`, url));
  expect((await stream.untilBye()).at(-1)?.data.reason).toBe("terminal");
});

test("SAMPLE=off: no worker, no start, and a greeting that does not mention them", async () => {
  const app = AppProcess.start(["all"], { SAMPLE: "off" });
  const url = await app.url();
  expect(app.stdout).not.toMatch(/start-operation|worker/);
  expect(app.stdout).toContain(`curl -N http://localhost:${url.port}/api/events`);
  const response = await fetch(new URL("/api/start-operation", url), { method: "POST" });
  expect(response.status).toBe(404);
});

test("the API logs that it is ready once the scheduler answers, and until then what it waits for", async () => {
  const port = await freePort();
  const api = AppProcess.start(["api"], { ENDPOINT: `http://127.0.0.1:${port}` });
  const url = await api.url();
  expect(api.stdout).toMatch(/waits for the scheduler: 127\.0\.0\.1:\d+ does not answer/);
  expect(api.stdout).not.toContain("dts-push is ready");
  expect((await fetch(new URL("/readyz", url))).status).toBe(503);
  AppProcess.start(["scheduler"], { SCHEDULER_PORT: String(port) });
  await api.printed(/dts-push is ready/);
});

test("a task hub that the scheduler does not have is named, and the API is not ready", async () => {
  const scheduler = AppProcess.start(["scheduler"], { SCHEDULER_TASKHUBS: "a,b" });
  const ENDPOINT = `http://${await scheduler.schedulerAddress()}`;
  const api = AppProcess.start(["api"], { ENDPOINT });
  await api.printed(/waits for the scheduler: \S+ has no such task hub \(task hub "default"/);
  expect(api.stdout).not.toContain("dts-push is ready");
});

test("a TASKHUB that is not one of SCHEDULER_TASKHUBS ends the process at once", async () => {
  const lacking = AppProcess.start(["all"], { SCHEDULER_TASKHUBS: "a,b" });
  expect(await lacking.exited()).toEqual({ code: 1, signal: null });
  expect(lacking.stdout).toContain("TASKHUB (default) is not one of SCHEDULER_TASKHUBS (a, b)");
  const named = AppProcess.start(["all"], { SCHEDULER_TASKHUBS: "a,b", TASKHUB: "b" });
  await named.printed(/dts-push is ready/);
});

test("a taken API port is named, with what to do, and the process ends", async () => {
  const PORT = await takenPort();
  const app = AppProcess.start(["all"], { PORT });
  expect(await app.exited()).toEqual({ code: 1, signal: null });
  expect(app.stdout).toContain(`127.0.0.1:${PORT} is in use. Choose another port with PORT.`);
  expect(app.stdout).not.toContain("dts-push is ready");
});

test("a taken scheduler port is named, with the variable that changes it", async () => {
  const SCHEDULER_PORT = await takenPort();
  const app = AppProcess.start(["all"], { SCHEDULER_PORT });
  expect(await app.exited()).toEqual({ code: 1, signal: null });
  expect(app.stdout).toMatch(new RegExp(`127\\.0\\.0\\.1:${SCHEDULER_PORT}.*SCHEDULER_PORT`));
});

test("a database that another process uses is named, and not changed", async () => {
  const SCHEDULER_DB = join(await temporaryFolder(), "scheduler.db");
  const first = AppProcess.start(["scheduler"], { SCHEDULER_DB });
  await first.schedulerAddress();
  const second = AppProcess.start(["all"], { SCHEDULER_DB });
  expect(await second.exited()).toEqual({ code: 1, signal: null });
  expect(second.stdout).toMatch(/scheduler\.db.*Another process is using it/);
  expect(await first.kill("SIGTERM")).toEqual({ code: 0, signal: null });
});

test("a HOST that is not an address of this machine is named", async () => {
  const app = AppProcess.start(["api"], {
    HOST: "192.0.2.1",
    ALLOW_ANONYMOUS: "true",
    ENDPOINT: "http://127.0.0.1:1",
  });
  expect(await app.exited()).toEqual({ code: 1, signal: null });
  expect(app.stdout).toMatch(/EADDRNOTAVAIL.*192\.0\.2\.1/);
});

test("all invalid variables are named together, before anything starts", async () => {
  const app = AppProcess.start(["all"], {
    PORT: "http",
    POLL_MIN_MS: "0",
    LOG_LEVEL: "loud",
    DURABLE_TASK_SCHEDULER_CONNECTION_STRING: "Endpoint=http://s3cret",
  });
  expect(await app.exited()).toEqual({ code: 2, signal: null });
  for (const name of ["PORT", "POLL_MIN_MS", "LOG_LEVEL", "CONNECTION_STRING"]) {
    expect(app.stderr).toContain(name);
  }
  expect(app.stderr).not.toMatch(/s3cret|\bat \S+ \(/);
  expect(app.stdout).toBe("");
});

test("--help of a role lists the settings and ends with 0; what is no command ends with 2", async () => {
  const help = AppProcess.start(["start", "--help"], { PORT: "nonsense" });
  expect(await help.exited()).toEqual({ code: 0, signal: null });
  expect(help.stdout).toMatch(/^Usage: dts-push start\|api\|worker\|scheduler\n/);
  const unknown = AppProcess.start(["all", "api"], {});
  expect(await unknown.exited()).toEqual({ code: 2, signal: null });
  expect(unknown.stderr).toBe('dts-push: Unknown arguments: api. See "dts-push start --help".\n');
  expect(unknown.stdout).toBe("");
});
