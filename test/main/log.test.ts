import { openSync } from "node:fs";
import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import { createLog } from "../../src/log.ts";
import { eventually } from "../helpers/deadline.ts";
import { freePort } from "../helpers/free-port.ts";
import { AppProcess } from "../helpers/process.ts";

const CLOSED = { code: 0, signal: null };

/** A process that cannot report its port. */
async function startOnKnownPort(options: { stdout?: number; prefix?: string[] }) {
  const port = await freePort();
  const app = AppProcess.start(["all"], { PORT: String(port), LOG_LEVEL: "trace" }, options);
  const url = new URL(`http://127.0.0.1:${port}`);
  const answers = (path: string) =>
    fetch(new URL(path, url)).then(
      ({ ok }) => ok,
      () => false,
    );
  await eventually("the API to be ready", () => answers("/readyz"), 30_000);
  return { app, answers };
}

test("a full disk under the log does not affect the service or its shutdown (LOG-1)", async () => {
  const { app, answers } = await startOnKnownPort({ stdout: openSync("/dev/full", "w") });
  for (let request = 0; request < 20; request += 1) expect(await answers("/healthz")).toBe(true);
  expect(await app.kill("SIGTERM")).toEqual(CLOSED);
  expect(app.stderr).toBe(
    "dts-push cannot write its log (ENOSPC). It continues; log lines are lost.\n",
  );
});

test("the same with stdout and stderr on a full disk (LOG-1)", async () => {
  const prefix = ["bash", "-c", 'exec "$0" "$@" >/dev/full 2>&1'];
  const { app, answers } = await startOnKnownPort({ prefix });
  expect(await answers("/readyz")).toBe(true);
  expect(await app.kill("SIGTERM")).toEqual(CLOSED);
});

test("a reader of the log that closes the pipe after the first line, as head -1 does (LOG-1)", async () => {
  const prefix = ["bash", "-c", 'exec "$0" "$@" > >(head -1)'];
  const { app, answers } = await startOnKnownPort({ prefix });
  expect(await answers("/readyz")).toBe(true);
  expect(app.stdout.trim().split("\n")).toHaveLength(1);
  expect(await app.kill("SIGTERM")).toEqual(CLOSED);
  expect(app.stderr).toContain("cannot write its log (EPIPE)");
});

test("a reader of the log that stalls does not delay the service or its shutdown (LOG-1)", async () => {
  const app = AppProcess.start(["all"], { LOG_LEVEL: "trace" });
  const url = await app.url();
  app.pauseStdout();
  // More than the pipe and the reader's own buffer take.
  const path = `/${"x".repeat(8000)}`;
  for (let request = 0; request < 400; request += 1) {
    expect((await fetch(new URL(path, url))).status).toBe(404);
  }
  const ended = app.kill("SIGTERM");
  await eventually("the server to close", () =>
    fetch(new URL("/healthz", url)).then(
      () => false,
      () => true,
    ),
  );
  app.resumeStdout();
  expect(await ended).toEqual(CLOSED);
});

test("lines that a stalled reader does not take are dropped beyond a bound; later one line has their number (LOG-2)", async () => {
  const pipe = new PassThrough({ highWaterMark: 1 });
  const report = new PassThrough();
  const { logger } = createLog("info", pipe, report);
  for (let line = 0; line < 100; line += 1) logger.info("x".repeat(100_000));
  expect(pipe.writableLength).toBeLessThan(5_000_000);
  expect(String(report.read())).toContain("its reader has stalled");

  let received = "";
  pipe.setEncoding("utf8").on("data", (text: string) => {
    received += text;
  });
  const lost = await eventually("the count", () => /"lines":(\d+)/.exec(received)?.[1]);
  expect(received.match(/"x{100000}"/g)).toHaveLength(100 - Number(lost));
  expect(report.read()).toBeNull();
});
