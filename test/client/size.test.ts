import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { bundle } from "./support/bundle.ts";

const MAX_BYTES = 6 * 1024;

test("the client is at most 6 KiB, minified and compressed", async () => {
  const { length } = gzipSync(await bundle("client.ts"), { level: 9 });
  expect(length).toBeLessThanOrEqual(MAX_BYTES);
});
