/** `dts-push` with the sample's operations, and while its server is away. */

import { createServer } from "node:net";
import { PassThrough } from "node:stream";
import { expect, onTestFinished, test } from "vitest";
import { lineOutput } from "../../src/cli/terminal/lines.ts";
import { within } from "../helpers/deadline.ts";
import { share } from "../helpers/lifetime.ts";
import { AppProcess } from "../helpers/process.ts";
import { type Stack, startStack } from "../helpers/stack.ts";

const stack = share(() => startStack({ pollMinMs: 50, pollMaxMs: 500 }));
const start = (...args: string[]) => AppProcess.start(args, { DTS_PUSH_URL: stack.url.href });

test("an operation that is started prints a line for each state when piped, the outcome last", async () => {
  const times = ["--processing-time", "1", "--progress-reports", "2"];
  const command = start("start-operation", "--id", "lines", ...times);
  expect(await command.exited()).toEqual({ code: 0, signal: null });
  expect(command.stderr).toBe("started lines\n");
  const lines = command.stdout.trimEnd().split("\n");
  for (const line of lines.slice(0, -1)) {
    expect(line).toMatch(/^\S+Z (PENDING|RUNNING)( \d+% step \d of 2)?$/);
  }
  expect(lines.at(-1)).toMatch(/^\S+Z Completed \{"operation_id":"lines",.*\}$/);
});

test("over each transport it gets the same last document although the API restarts", async () => {
  const id = await stack.startOperation({ processing_time: 3600, steps: 4 });
  const watches = ["websocket", "sse", "long-poll"].map((transport) =>
    start("watch", id, "--json", "--transport", transport),
  );
  for (const watch of watches) await watch.printed(/"status":"RUNNING"/);
  await stack.stopApi();
  await cutConnections(stack, 3);
  await stack.startApi();
  await stack.terminate(id);
  const last = await Promise.all(
    watches.map(async (watch) => {
      expect(await watch.exited()).toEqual({ code: 1, signal: null });
      expect(watch.stderr).toMatch(
        /^(dts-push: the connection is lost; connecting again\ndts-push: up to date again\n)*$/,
      );
      return JSON.parse(watch.stdout.trim().split("\n").at(-1) ?? "");
    }),
  );
  expect(last[0]).toMatchObject({ operation_id: id, status: "TERMINATED" });
  expect(last.slice(1)).toEqual([last[0], last[0]]);
});

test("a fault of the connection is reported once, and its end", () => {
  const errorOut = new PassThrough({ encoding: "utf8" });
  const { connection } = lineOutput(new PassThrough(), errorOut);
  const live = { kind: "live", as_of: null, transport: "sse" } as const;
  connection(live);
  connection({ kind: "retrying", at: 0 }); // a planned one
  connection({ kind: "connecting" });
  connection(live);
  expect(errorOut.read()).toBeNull();
  for (const at of [1, 2]) connection({ kind: "retrying", at, error: new Error() });
  connection({ ...live, kind: "stale" });
  for (const _ of [1, 2]) connection(live);
  expect(errorOut.read()).toBe(
    "dts-push: the connection is lost; connecting again\n" +
      "dts-push: the server cannot read the scheduler; waiting\n" +
      "dts-push: up to date again\n",
  );
});

/** Stands at the API's port and cuts the next `count` connections, as a broken load balancer does. */
async function cutConnections({ url }: Stack, count: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  let cut = 0;
  const server = createServer((socket) => {
    socket.destroy();
    if (++cut === count) resolve();
  });
  onTestFinished(() => void server.close());
  await new Promise<void>((listening) => server.listen(Number(url.port), url.hostname, listening));
  await within(`${count} attempts to reconnect`, promise);
  await new Promise((closed) => server.close(closed));
}
