import { afterEach, expect, test } from "vitest";
import { checkProblem } from "./support/problem.ts";
import { exchange, RawConnection, splitAnswer } from "./support/raw-connection.ts";
import { useSharedStack } from "./support/shared-stack.ts";

const stack = useSharedStack({ worker: true });

/** Whatever a test has sent, the process still serves. */
afterEach(async () => {
  expect((await fetch(new URL("/healthz", stack.url))).status).toBe(200);
});

async function problemFor(bytes: string | Buffer, status: number, slug: string): Promise<void> {
  const { head, body } = splitAnswer(await exchange(stack.url, bytes));
  const what = `${JSON.stringify(bytes.toString("latin1").slice(0, 60))} → ${head}`;
  expect(head, what).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(head, what).toMatch(/^content-type: application\/problem\+json/im);
  checkProblem(body, status, slug, what);
}

test("bytes that are not HTTP are answered with a problem and the connection is closed", async () => {
  for (const bytes of [
    "hello\r\n\r\n",
    "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003",
    "GET\r\n\r\n",
    "GET / HTTP/9.9\r\n\r\n",
    "GET / HTTP/1.1\r\nno colon\r\n\r\n",
    "GET / HTTP/1.1\r\nhost: localhost\r\nx: a\u0000b\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
    "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    Buffer.from([0, 255, 0, 255, 13, 10, 13, 10]),
  ]) {
    await problemFor(bytes, 400, "invalid-request");
  }
});

test("a request without a host is a problem, on every path", async () => {
  for (const path of ["/healthz", "/nope", "/api/ws"]) {
    await problemFor(`GET ${path} HTTP/1.1\r\nconnection: close\r\n\r\n`, 400, "invalid-request");
  }
});

test("an unknown expectation is ignored", async () => {
  const head = "HTTP/1.1\r\nhost: localhost\r\nexpect: miracles\r\nconnection: close\r\n\r\n";
  expect(await exchange(stack.url, `GET /healthz ${head}`)).toMatch(/^HTTP\/1\.1 200 /);
});

test("clients of HTTP/1.0 are served, streams included", async () => {
  expect(await exchange(stack.url, "GET /healthz HTTP/1.0\r\n\r\n")).toMatch(/^HTTP\/1\.1 200 /);
  const id = await stack.client.scheduleNewOrchestration("async_http_api_orchestrator", {
    processing_time: 0,
  });
  const stream = await exchange(stack.url, `GET /api/operations/${id}/events HTTP/1.0\r\n\r\n`);
  expect(stream).not.toMatch(/transfer-encoding/i);
  expect(stream).toMatch(/\r\n\r\nretry: \d+\n\n[\s\S]*\nevent: bye\ndata: \{.*\}\n\n$/);
});

test("headers over 16 KiB are 431, in one field and in many", async () => {
  const one = `GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: ${"y".repeat(20_000)}\r\n\r\n`;
  const many = `GET /healthz HTTP/1.1\r\nhost: localhost\r\n${"x: yyyyyyyyyyyyyyyy\r\n".repeat(1500)}\r\n`;
  await problemFor(one, 431, "headers-too-large");
  await problemFor(many, 431, "headers-too-large");
});

test("an invalid chunked body is a problem", async () => {
  await problemFor(
    "POST /api/start-operation HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n" +
      "transfer-encoding: chunked\r\n\r\nnot a size\r\n",
    400,
    "invalid-request",
  );
});

test("an upgrade to another protocol is ignored and the request answered, body included", async () => {
  const upgrade =
    "host: localhost\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n" +
    "http2-settings: AAMAAABkAAQAAP__\r\n";
  const get = await RawConnection.open(stack.url);
  get.send(`GET /healthz HTTP/1.1\r\n${upgrade}\r\n`);
  await get.until(/^HTTP\/1\.1 200 [\s\S]*"ok"/, 2000);
  const post = await RawConnection.open(stack.url);
  post.send(
    `POST /api/start-operation HTTP/1.1\r\n${upgrade}content-type: application/json\r\n` +
      'content-length: 22\r\n\r\n{"processing_time": 0}',
  );
  await post.until(/^HTTP\/1\.1 202 [\s\S]*operation_id/, 2000);
});

test("CONNECT is refused and its connection closed", async () => {
  const answer = await exchange(
    stack.url,
    "CONNECT example.com:443 HTTP/1.1\r\nhost: localhost\r\n\r\n",
  );
  expect(answer).not.toMatch(/^HTTP\/1\.1 2/);
});

test("requests that arrive byte by byte are answered, and delay no others", async () => {
  const slow = await RawConnection.open(stack.url);
  const request = "GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
  for (const byte of request) {
    slow.send(byte);
    if (byte === "\n") await fetch(new URL("/healthz", stack.url));
  }
  expect(await slow.untilClosed()).toMatch(/^HTTP\/1\.1 200 /);
});

test("200 unfinished requests and 200 clients that disconnect at once do not affect others", async () => {
  const halves = await Promise.all(
    Array.from({ length: 200 }, () => RawConnection.open(stack.url)),
  );
  for (const half of halves)
    half.send("GET /api/operations/x/events HTTP/1.1\r\nhost: localhost\r\nx: ");
  const leaving = await Promise.all(
    Array.from({ length: 200 }, () => RawConnection.open(stack.url)),
  );
  for (const each of leaving) {
    each.send("GET /api/operations/x/events HTTP/1.1\r\nhost: localhost\r\n\r\n");
    each.close();
  }
  expect((await fetch(new URL("/healthz", stack.url))).status).toBe(200);
  for (const half of halves) half.close();
});

test("a stream requested behind an unanswered request is refused, after the answer to that request", async () => {
  const id = await stack.client.scheduleNewOrchestration("unserved", undefined, "pipelined");
  for (let round = 0; round < 5; round += 1) {
    const client = await RawConnection.open(stack.url);
    const head = "HTTP/1.1\r\nhost: localhost\r\n\r\n";
    client.send(
      `GET /api/operations/${id} ${head}GET /api/operations/${id}/events ${head}` +
        `GET /healthz ${head}`,
    );
    const received = await client.until(/problem:invalid-request/);
    expect(received).toMatch(/^HTTP\/1\.1 200 OK\r\n[\s\S]*application\/json/);
    const [first = "", second = ""] = received.split(/(?<=\})(?=HTTP\/1\.1 )/);
    expect(first).toMatch(/"operation_id":"pipelined"[\s\S]*\}$/);
    expect(second).toMatch(/^HTTP\/1\.1 400 [\s\S]*problem:invalid-request/);
    client.close();
  }
});

test("what is sent on an open stream is discarded, and does not affect it or others (TAKEN-1, TAKEN-2)", async () => {
  const input = { processing_time: 3600, steps: 1 };
  const id = await stack.client.scheduleNewOrchestration(
    "async_http_api_orchestrator",
    input,
    "disturbed",
  );
  const request = `GET /api/operations/${id}/events HTTP/1.1\r\nhost: localhost\r\n\r\n`;
  const open = async (behind = "") => {
    const client = await RawConnection.open(stack.url);
    client.send(request + behind);
    await client.until(/event: snapshot/);
    return client;
  };
  const [quiet, garbled, pipelined] = [await open(), await open(), await open(request)];
  garbled.send("garbage that is no HTTP\r\n\r\n");
  pipelined.send(request);
  await stack.client.terminateOrchestration(id, null);
  for (const client of [quiet, garbled, pipelined]) {
    const all = await client.untilClosed();
    expect(all).toMatch(/event: bye\n.*"reason":"terminal"/);
    expect(all.split("HTTP/1.1").length).toBe(2);
  }
});
