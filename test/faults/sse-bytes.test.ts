import { connect } from "node:net";
import { createParser } from "eventsource-parser";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import type { Instance } from "../../src/dts/instance.ts";
import { within } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { startTestApi } from "../helpers/stack.ts";

const RUNS = Number(process.env.BYTES_RUNS ?? 80);
/** To replay what a failure has printed. */
const SEED = process.env.SEED === undefined ? undefined : Number(process.env.SEED);
const AT = process.env.AT;
const FIELD = /^(?:id: [0-9a-z.]+|event: [a-z]+|retry: \d+|data: \{.*\})?$/su;

interface Answer {
  readonly head: string;
  /** Everything after the head, as it came. */
  readonly body: Buffer;
}

interface ParsedEvent {
  readonly id: string | undefined;
  readonly event: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON the server sends.
  readonly data: any;
}

/** Text that is on its way to become a value of an operation, whatever its worker wrote. */
const written: fc.Arbitrary<string> = fc.oneof(
  // Any JSON, with white space between its tokens as some writers set it.
  fc
    .tuple(fc.json({ stringUnit: "grapheme" }), fc.constantFrom("", " ", "\n", "\r\n", "\r", "\t"))
    .map(([json, space]) =>
      JSON.stringify(JSON.parse(json), null, space.length > 0 ? 1 : 0).replaceAll(
        "\n",
        space || "\n",
      ),
    ),
  // Strings of everything, line breaks of all kinds and half characters among it, which JSON escapes.
  fc
    .array(
      fc.constantFrom(
        "\r",
        "\n",
        "\r\n",
        "\0",
        "\u2028",
        "\u2029",
        "\u0085",
        "😀",
        "\ud800",
        "\udc00",
        "data: x",
        "\n\nid: 0",
        "a",
      ),
      { maxLength: 20 },
    )
    .map((parts) => JSON.stringify(parts.join(""))),
  // Escapes as others write them.
  fc.constantFrom(
    '"\\u000d\\u000a\\u0000"',
    '"\\ud83d\\ude00 \\ud800"',
    '"\\u2028"',
    "1e400",
    "-0",
    "12345678901234567890",
  ),
  // What is no JSON at all.
  fc.string({ unit: "binary", minLength: 1, maxLength: 50 }).map((text) => text.toWellFormed()),
  fc.constantFrom("no\r\njson", "no\0json", "{", "\ufeff{}", "undefined", "NaN", "data: {}\n\n"),
  // Up to a megabyte.
  fc
    .tuple(fc.constantFrom("x", "é", "\n", "😀", '"'), fc.integer({ min: 10_000, max: 260_000 }))
    .map(([unit, count]) => JSON.stringify(unit.repeat(count))),
);

const ending = fc.record({
  status: fc.constantFrom("COMPLETED", "FAILED", "TERMINATED"),
  customStatus: fc.option(written, { nil: undefined }),
  output: fc.option(written, { nil: undefined }),
  failure: fc.option(fc.record({ type: written, message: written }), { nil: undefined }),
}) as fc.Arbitrary<Partial<Instance>>;

/** What a client is to make of a text that was stored. */
function readingOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function expectedOf({ status, customStatus, output, failure }: Partial<Instance>) {
  return {
    ...(customStatus && { custom_status: readingOf(customStatus) }),
    ...(output && status !== "FAILED" && { result: readingOf(output) }),
    ...(status === "FAILED" && {
      error: { type: failure?.type ?? "Error", message: failure?.message ?? "" },
    }),
  };
}

/** Asks over a bare socket, and reads until the server closes it. */
async function ask(url: URL, version: "1.0" | "1.1", onText: (text: string) => void) {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const socket = connect(Number(url.port), "127.0.0.1");
  onTestFinished(() => void socket.destroy());
  const pieces: Buffer[] = [];
  socket.on("data", (piece) => {
    pieces.push(piece);
    onText(piece.toString("latin1"));
  });
  socket.on("error", reject);
  socket.on("close", () => resolve(Buffer.concat(pieces)));
  socket.write(`GET ${url.pathname}${url.search} HTTP/${version}\r\nhost: localhost\r\n\r\n`);
  const all = await within("the end of the stream", promise);
  const at = all.indexOf("\r\n\r\n");
  return { head: all.subarray(0, at).toString("latin1").toLowerCase(), body: all.subarray(at + 4) };
}

/** The content of a chunked body. @throws where its framing is not what RFC 9112, section 7.1 says */
function fromChunks(body: Buffer): Buffer {
  const contents: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = body.indexOf("\r\n", at);
    const digits = body.subarray(at, lineEnd).toString("latin1");
    if (!/^[0-9a-f]+$/.test(digits)) throw new Error(`Not the size of a chunk: "${digits}"`);
    const size = Number.parseInt(digits, 16);
    const content = body.subarray(lineEnd + 2, lineEnd + 2 + size);
    at = lineEnd + 2 + size + 2;
    if (body.subarray(at - 2, at).toString("latin1") !== "\r\n" || content.length !== size) {
      throw new Error(`A chunk of ${size} bytes does not end where it says`);
    }
    if (size === 0) {
      if (at !== body.length) throw new Error("Something follows the last chunk");
      return Buffer.concat(contents);
    }
    contents.push(content);
  }
}

/** What the independent parser makes of the bytes, in pieces that pay no heed to lines or characters. */
function parse(content: Buffer): ParsedEvent[] {
  const events: ParsedEvent[] = [];
  const parser = createParser({
    onEvent: ({ id, event, data }) => void events.push({ id, event, data: JSON.parse(data) }),
    onError: (error) => {
      throw error;
    },
  });
  const decoder = new TextDecoder("utf-8", { fatal: true });
  const step = Math.max(1, Math.ceil(content.length / 97));
  for (let at = 0; at < content.length; at += step) {
    parser.feed(decoder.decode(content.subarray(at, at + step), { stream: true }));
  }
  parser.feed(decoder.decode());
  return events;
}

function contentOf({ head, body }: Answer, version: "1.0" | "1.1"): Buffer {
  expect(head).toContain("content-type: text/event-stream");
  const chunked = head.includes("transfer-encoding: chunked");
  expect(chunked).toBe(version === "1.1");
  const content = chunked ? fromChunks(body) : body;
  for (const byte of ["\r", "\0"]) expect(content.includes(byte)).toBe(false);
  for (const line of content.toString("utf8").split("\n")) {
    if (!FIELD.test(line)) throw new Error(`Not a line of this stream: ${line.slice(0, 100)}`);
  }
  return content;
}

const SHAPES = ["one", "several"] as const;

for (const version of ["1.1", "1.0"] as const) {
  test(`over HTTP/${version} every value arrives as it was stored, whatever its text`, async () => {
    const scheduler = await ScriptedScheduler.start();
    const { url: base } = await startTestApi(scheduler.address, {
      pollMinMs: 10,
      pollMaxMs: 20,
      maxBufferedBytes: 8 * 1024 * 1024,
    });
    let run = 0;
    const property = fc.asyncProperty(
      fc.option(written, { nil: undefined }),
      ending,
      fc.constantFrom(...SHAPES),
      async (customStatus, end, shape) => {
        run += 1;
        const id = `op-${run}`;
        scheduler.set(id, instance({ id, customStatus }));
        const url = new URL(
          shape === "one" ? `/api/operations/${id}/events` : `/api/events?operation_id=${id}`,
          base,
        );
        const answer = await ask(url, version, (text) => {
          if (!text.includes("snapshot")) return;
          scheduler.set(id, instance({ id, ...end, lastUpdatedAtMs: 1_700_000_005_000 }));
        });
        const events = parse(contentOf(answer, version)).filter(
          ({ event }) => event !== "heartbeat",
        );
        expect(events.map(({ event }) => event)).toEqual(["snapshot", "update", "bye"]);
        const [first, last, bye] = events;
        expect(first?.data.operation.custom_status).toStrictEqual(
          customStatus ? readingOf(customStatus) : undefined,
        );
        const { custom_status, result, error } = last?.data.operation ?? {};
        expect(JSON.parse(JSON.stringify({ custom_status, result, error }))).toStrictEqual(
          JSON.parse(JSON.stringify(expectedOf(end))),
        );
        expect(bye?.data.reason).toBe("terminal");
        if (shape === "one") {
          expect([last?.id, bye?.id]).toEqual(
            [last, last].map((event) => event?.data.operation.cursor),
          );
        }
      },
    );
    const { failed, seed, counterexamplePath, errorInstance } = await fc.check(property, {
      numRuns: AT === undefined ? RUNS : 1,
      endOnFailure: true,
      ...(SEED !== undefined && { seed: SEED }),
      ...(AT !== undefined && { path: AT }),
    });
    // The values themselves may be a megabyte long.
    const replay = `SEED=${seed} AT=${counterexamplePath} npx vitest run test/faults/sse-bytes.test.ts`;
    if (failed) throw new Error(`Replay with: ${replay}`, { cause: errorInstance });
  });
}
