/** examples/follow.mjs, as a process of its own, against the whole product. It knows docs/PROTOCOL.md and nothing else. */

import { type ChildProcess, spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { eventually, within } from "../helpers/deadline.ts";
import { startStack } from "../helpers/stack.ts";

const FOLLOW = fileURLToPath(new URL("../../examples/follow.mjs", import.meta.url));

test("a client written from PROTOCOL.md follows 100 operations in three ways that agree", async () => {
  const stack = await startStack();
  const client = follow(stack.url, ["--operations", "100", "--processing-time", "2", "--steps", "4"]);
  expect(await within("the client's end", client.result, 30_000)).toEqual({
    code: 0,
    stderr: "",
    stdout: expect.stringContaining("100 of 100 operations: over, and the same in all three"),
  });
});

interface Client {
  /** How it ended and what it had printed by then. */
  readonly result: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

/** Starts the example. It ends with the test at the latest. */
function follow(url: URL, options: string[]): Client {
  const child: ChildProcess = spawn(process.execPath, [FOLLOW, "--url", url.href, ...options]);
  onTestFinished(() => {
    child.kill();
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  const result = Promise.all([ended, text(child.stdout!), text(child.stderr!)]).then(
    ([code, stdout, stderr]) => ({ code, stdout, stderr }),
  );
  return { result };
}
