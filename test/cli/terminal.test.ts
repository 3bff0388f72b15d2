import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import type { OperationDocument } from "../../client/wire.ts";
import { progressText } from "../../src/cli/terminal/operation-text.ts";
import { terminalOutput } from "../../src/cli/terminal/terminal-output.ts";
import { durationText, printable } from "../../src/cli/terminal/text.ts";

const CREATED = "2026-11-27T02:00:00.000Z";
const operation = (more: Partial<OperationDocument> = {}): OperationDocument => ({
  operation_id: "order-17",
  name: "ship_order",
  status: "RUNNING",
  created_at: CREATED,
  last_updated: CREATED,
  cursor: "1",
  ...more,
});

test("a terminal shows one line that is rewritten, steps above it, and the outcome at the end", () => {
  const out = new PassThrough({ encoding: "utf8" });
  const output = terminalOutput(out);
  const item = (document: OperationDocument) =>
    output.item({ type: "operation", operation: document, cursor: "1" });
  output.connection({ kind: "live", as_of: null, transport: "sse" });
  item(operation({ custom_status: { percent: 50, message: "2 of 4\u001b[2J" } }));
  output.item({
    type: "step",
    step: { seq: 4, kind: "timer_fired", duration_ms: 1000 },
    cursor: "1",
  });
  const end = { last_updated: "2026-11-27T02:00:12.000Z", result: { packed: 4 } };
  item(operation({ status: "Completed", ...end }));
  output.end();
  output.end();
  const text: string = out.read();
  expect(text).toContain(
    `order-17  RUNNING  ${"█".repeat(10)}${"░".repeat(10)} 50 %  2 of 4\ufffd[2J  `,
  );
  expect(text).toContain("\r\x1b[K4 timer_fired 1.0 s\n");
  expect(text.endsWith('order-17  Completed  12 s\x1b[?7h\n{"packed":4}\n')).toBe(true);
  // Every line that may be too long is cut off by the terminal, which wraps again afterwards.
  expect(text.split("\x1b[?7l")).toHaveLength(text.split("\x1b[?7h").length);
});

test("it shows that it is not connected, and why what it shows may be old", () => {
  const out = new PassThrough({ encoding: "utf8" });
  const output = terminalOutput(out);
  output.connection({ kind: "connecting" });
  output.connection({ kind: "retrying", at: Date.now() + 120_000, error: new Error() });
  output.connection({ kind: "stale", as_of: CREATED, transport: "sse" });
  output.end();
  expect(out.read()).toMatch(
    /connecting.*not connected, next attempt in [12] min .*cannot read the scheduler/s,
  );
});

test("progress is a percentage and a message, or the custom status as it is", () => {
  const text = (custom_status: unknown) => progressText(operation({ custom_status }));
  expect(text({ percent: 66.9, message: "step 2" })).toBe("66% step 2");
  expect(text({ percent: 0 })).toBe("0%");
  expect(text({ percent: 101 })).toBe('{"percent":101}');
  expect(text("packing")).toBe("packing");
  expect(text(null)).toBe("null");
  expect(text([1, 2])).toBe("[1,2]");
  expect(progressText(operation())).toBe("");
});

test("durations are for people, and never negative", () => {
  const texts = [-5, 0, 949, 9_900, 9_960, 59_400, 61_000, 3_600_000, 8_000_000].map(durationText);
  const expected = "0.0 s|0.0 s|0.9 s|9.9 s|10 s|59 s|1 min 1 s|1 h 0 min|2 h 13 min";
  expect(texts.join("|")).toBe(expected);
});

test("foreign text stays on its line and controls nothing", () => {
  expect(printable("a\r\n  b\tc")).toBe("a b c");
  expect(printable("\u001b[31m\u0007\u009b\u202e\u2066\u2028x")).toBe(
    "\ufffd[31m\ufffd\ufffd\ufffd\ufffd\ufffdx",
  );
  expect(printable("größer 漢字 👩‍👩‍👧")).toBe("größer 漢字 👩‍👩‍👧");
});
