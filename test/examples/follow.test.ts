/** examples/follow.mjs, as a process of its own, against the whole product. It knows docs/PROTOCOL.md and nothing else. */

import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { eventually, within } from "../helpers/deadline.ts";
import { runFollow } from "../helpers/follow.ts";
import { type Stack, startStack } from "../helpers/stack.ts";

const ALL_AGREED = {
  code: 0,
  stderr: "",
  stdout: expect.stringContaining("100 of 100 operations: over, and the same in all three"),
};

test("a client written from PROTOCOL.md follows 100 operations over three transports that agree", async () => {
  const { url } = await startStack();
  const result = runFollow(url, "--processing-time", "2", "--steps", "4");
  expect(await within("the client's end", result)).toEqual(ALL_AGREED);
});

test("it follows the operations of its arguments, whatever their ids", async () => {
  const { url, startOperation } = await startStack();
  const ids = [".", "..", "a/b", "c%2Fd"];
  for (const operation_id of ids) await startOperation({ processing_time: 2, operation_id });
  const result = runFollow(url, ...ids);
  expect(await within("the client's end", result)).toMatchObject({
    code: 0,
    stderr: "",
    stdout: expect.stringContaining("4 of 4 operations: over, and the same in all three"),
  });
});

test("it gets the same final documents although the API restarts", async () => {
  const stack = await startStack();
  const result = runFollow(stack.url, "--processing-time", "3600", "--steps", "4");
  await eventually("100 operations to be followed in three ways", async () => {
    const { sse = 0, ws = 0, poll = 0 } = await openConnections(stack);
    return sse >= 7 && ws === 1 && poll === 100;
  });
  await stack.stopApi();
  await cutConnections(stack, 50);
  await stack.startApi();
  await Promise.all((await operationsOf(stack)).map((id) => stack.terminate(id)));
  expect(await within("the client's end", result)).toEqual(ALL_AGREED);
});

test("it ends with 1 and a message when the URL is not dts-push", async () => {
  const { url } = await startStack();
  const { code, stderr } = await runFollow(new URL("/elsewhere", url));
  expect(code).toBe(1);
  expect(stderr).toContain("404");
});

async function operationsOf({ url }: Stack): Promise<string[]> {
  const response = await fetch(new URL("/api/operations?limit=100", url));
  const { operations } = (await response.json()) as { operations: { operation_id: string }[] };
  return operations.map(({ operation_id }) => operation_id);
}

async function openConnections({ url }: Stack): Promise<Record<string, number>> {
  const metrics = await (await fetch(new URL("/metrics", url))).text();
  const lines = metrics.matchAll(/^dts_push_connections\{transport="(\w+)"\} (\d+)$/gm);
  return Object.fromEntries([...lines].map(([, transport, count]) => [transport, Number(count)]));
}

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
