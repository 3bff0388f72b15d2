import { connect } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { eventually, within } from "../helpers/deadline.ts";
import { checkProblem, problemOf } from "./support/problem.ts";
import { RawConnection, splitAnswer } from "./support/raw-connection.ts";
import { useSharedStack } from "./support/shared-stack.ts";

const stack = useSharedStack();

const FIVE_MB = Buffer.alloc(5_000_000, "x");
const UPLOADS = 10;
const LENGTH = `content-length: ${FIVE_MB.length}\r\n`;

/** The head of a request with a body. */
const head = (line: string, headers = "") =>
  Buffer.from(`${line} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n${headers}\r\n`);

/** A body in chunks, as HTTP writes it. */
function inChunks(): Buffer {
  const chunk = Buffer.concat([Buffer.from("10000\r\n"), FIVE_MB.subarray(0, 65_536)]);
  const chunks = Array.from({ length: 77 }, () => [chunk, Buffer.from("\r\n")]);
  return Buffer.concat([...chunks.flat(), Buffer.from("0\r\n\r\n")]);
}

/**
 * Sends all of a request before it reads any of the answer, as simple clients do, and returns what
 * came until the server closed the connection. Fails where the connection is reset.
 */
async function answerTo(...bytes: Buffer[]): Promise<string> {
  const socket = connect(Number(stack.url.port), stack.url.hostname);
  onTestFinished(() => void socket.destroy());
  let received = "";
  const ended = new Promise<string>((resolve, reject) => {
    socket.once("error", reject);
    socket.once("end", () => resolve(received));
  });
  ended.catch(() => undefined);
  const sent = new Promise<void>((resolve) => {
    socket.write(Buffer.concat(bytes), () => resolve());
  });
  await within("the request to be sent", Promise.race([sent, ended]));
  socket.setEncoding("latin1").on("data", (text: string) => {
    received += text;
  });
  return within("the answer", ended);
}

function expectRefusal(answer: string, status: number, slug: string): void {
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  checkProblem(splitAnswer(answer).body, status, slug);
}

test("every upload of 5 MB is answered 413, announced or in chunks", async () => {
  const json = "content-type: application/json\r\n";
  const start = "POST /api/start-operation";
  for (let round = 0; round < UPLOADS; round += 1) {
    const announced = await answerTo(head(start, json + LENGTH), FIVE_MB);
    expectRefusal(announced, 413, "body-too-large");
    const chunked = head(start, `${json}transfer-encoding: chunked\r\n`);
    expectRefusal(await answerTo(chunked, inChunks()), 413, "body-too-large");
    const viaFetch = await fetch(new URL("/api/start-operation", stack.url), {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: FIVE_MB,
    });
    await problemOf(viaFetch, 413, "body-too-large");
  }
});

test("every other refusal of an upload arrives", async () => {
  const json = `content-type: application/json\r\n${LENGTH}`;
  const text = `content-type: text/plain\r\n${LENGTH}`;
  const foreign = `origin: http://evil.example\r\n${json}`;
  for (let round = 0; round < UPLOADS; round += 1) {
    for (const [line, headers, status, slug] of [
      ["POST /healthz", json, 405, "method-not-allowed"],
      ["POST /api/start-operation", text, 415, "unsupported-media-type"],
      ["POST /api/start-operation", foreign, 403, "origin-not-allowed"],
    ] as const) {
      expectRefusal(await answerTo(head(line, headers), FIVE_MB), status, slug);
    }
  }
});

test("bytes that are not HTTP are answered, however many follow", async () => {
  for (let round = 0; round < UPLOADS; round += 1) {
    const garbage = await answerTo(Buffer.from("no HTTP\r\n\r\n"), FIVE_MB);
    expectRefusal(garbage, 400, "invalid-request");
    const overlong = await answerTo(
      Buffer.from("GET / HTTP/1.1\r\nhost: localhost\r\nx: "),
      FIVE_MB,
    );
    expectRefusal(overlong, 431, "headers-too-large");
  }
});

test("the connection stays usable after a refused upload that has arrived", async () => {
  const connection = await RawConnection.open(stack.url);
  connection.send(`PUT /healthz HTTP/1.1\r\nhost: localhost\r\n${LENGTH}\r\n`).send(FIVE_MB);
  connection.send(head("GET /healthz"));
  const received = await connection.untilClosed();
  expect(received).toMatch(/^HTTP\/1\.1 405 [\s\S]*HTTP\/1\.1 200 [\s\S]*"ok"/);
});

test("an upload that does not end is cut off", async () => {
  const socket = connect(Number(stack.url.port), stack.url.hostname);
  onTestFinished(() => void socket.destroy());
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  socket.on("error", () => undefined);
  socket.on("data", () => undefined);
  const more = (): void => {
    while (!socket.destroyed && socket.write(FIVE_MB));
  };
  socket.on("drain", more);
  socket.write(head("PUT /healthz", "content-length: 99999999999\r\n"));
  more();
  await within("the server to close the connection", closed);
});

test("a client that keeps its half of a refused connection open is cut off (10 s)", async () => {
  const port = Number(stack.url.port);
  const socket = connect({ port, host: stack.url.hostname, allowHalfOpen: true });
  onTestFinished(() => void socket.destroy());
  const ended = new Promise<void>((resolve) => socket.once("end", () => resolve()));
  socket.resume().write("no HTTP\r\n\r\n");
  await within("the server to end its half", ended);
  expect(await openSockets()).toBe(1);
  await eventually("the server to close the socket", async () => (await openSockets()) === 0);
});

/** Sockets that the server has open, without the one that this question came on. */
async function openSockets(): Promise<number> {
  const headers = { connection: "close" };
  const response = await fetch(new URL("/metrics", stack.url), { headers });
  return Number(/^dts_push_sockets (\d+)$/m.exec(await response.text())?.[1]) - 1;
}
