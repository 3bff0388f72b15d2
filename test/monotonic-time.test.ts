import { readdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const SRC = fileURLToPath(new URL("../src/", import.meta.url));

/** Files that may read the wall clock, and what for. Intervals and deadlines use `performance.now()`. */
const MAY_READ_WALL_CLOCK = new Map([
  ["dts/connection/credentials.ts", "a token states when it expires"],
  ["api/credentials/issuer-tokens.ts", "a token states when it expires"],
  ["api/routes/stream-tokens.ts", "a token states when it expires"],
  ["streaming/delivery/connections.ts", "a credential states when it expires"],
  ["streaming/reading/newest-first.ts", "queries by date of creation"],
  ["streaming/reading/reader.ts", "as_of"],
  ["streaming/watching/watch-registry.ts", "lag behind a date of the scheduler"],
  ["streaming/delivery/feed-follower.ts", "lag behind a date of the scheduler"],
  ["cli/terminal/terminal-output.ts", "time since an operation was created"],
  ["cli/conformance/test-operations.ts", "a start that is put off to a date"],
  ["worker/activities/process-long-running-operation.ts", "a result with its time"],
]);
/** It writes the dates of histories and of instances. */
const SCHEDULER = /^scheduler\//;

/** `Date.now()`, `new Date()` and `Date()`: what returns the present time. */
const WALL_CLOCK = /\bDate\.now\b|\bDate\(\s*\)/;

test("no interval is measured by the wall clock, which may be set at any time", async () => {
  const files = await readdir(SRC, { recursive: true });
  const found: string[] = [];
  for (const file of files) {
    if (!file.endsWith(".ts") || MAY_READ_WALL_CLOCK.has(file) || SCHEDULER.test(file)) continue;
    if (WALL_CLOCK.test(await readFile(`${SRC}${file}`, "utf8"))) found.push(file);
  }
  expect(found).toEqual([]);
});
