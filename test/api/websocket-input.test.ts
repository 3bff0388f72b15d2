import { randomBytes } from "node:crypto";
import { afterEach, expect, test } from "vitest";
import { WebSocket } from "ws";
import { within } from "../helpers/deadline.ts";
import { type Message, WsClient } from "../helpers/ws-client.ts";
import { checkProblem, problemOf } from "./support/problem.ts";
import { exchange, RawConnection, splitAnswer } from "./support/raw-connection.ts";
import { useSharedStack } from "./support/shared-stack.ts";

const stack = useSharedStack();

const HANDSHAKE =
  "host: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n" +
  "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

/** Whatever a client has sent, the process still serves. */
afterEach(async () => {
  const client = await WsClient.connect(stack.url);
  client.send({ type: "ping" });
  await client.nextOf("pong");
});

const connect = (path?: string) => WsClient.connect(stack.url, path);

function expectProblem(message: Message, status: number, slug: string, what = ""): void {
  expect(message.type, what).toBe("problem");
  checkProblem(JSON.stringify(message.problem), status, slug, what);
}

/** An operation that does not change. */
const waiting = () =>
  stack.client.scheduleNewOrchestration("unserved", undefined, { startAt: new Date(2e12) });

test("a message outside the protocol gets one problem, then the connection closes with 4400 (WS-2)", async () => {
  for (const message of [
    '{"type":"hello"}',
    '{"type":"SUBSCRIBE","sub":"1","operation_id":"x"}',
    "{}",
    '{"type":null}',
    '{"type":["ping"]}',
    "[]",
    '[{"type":"ping"}]',
    '"ping"',
    "null",
    "1",
    "",
    "{",
    "not JSON",
    "\u0000",
    '{"type":"subscribe"}',
    '{"type":"subscribe","operation_id":"x"}',
    '{"type":"subscribe","sub":1,"operation_id":"x"}',
    '{"type":"subscribe","sub":"","operation_id":"x"}',
    `{"type":"subscribe","sub":"${"s".repeat(101)}","operation_id":"x"}`,
    '{"type":"subscribe","sub":"1","operation_id":"x","after":5}',
    '{"type":"unsubscribe"}',
    '{"type":"unsubscribe","sub":{}}',
    `{"__proto__":{"type":"ping"}}`,
    "[".repeat(60_000),
  ]) {
    const what = message.slice(0, 80);
    const client = await connect();
    client.send(message);
    client.send({ type: "ping" });
    expectProblem(await client.next(what), 400, "bad-message", what);
    expect((await client.closed()).code, what).toBe(4400);
    expect(client.waiting, what).toEqual([]);
  }
});

test("a binary frame is refused in the same way, even if it holds a message (WS-2)", async () => {
  for (const bytes of [Buffer.from('{"type":"ping"}'), randomBytes(100), Buffer.alloc(0)]) {
    const client = await connect();
    client.socket.send(bytes, { binary: true });
    expectProblem(await client.next(), 400, "bad-message");
    expect((await client.closed()).code).toBe(4400);
  }
});

test("a message of 64 KiB is read, one byte more is a problem and close 4429", async () => {
  const ping = (bytes: number) => `{"type":"ping","x":"${"x".repeat(bytes - 22)}"}`;
  const client = await connect();
  client.send(ping(65_536));
  await client.nextOf("pong");
  client.send(ping(65_537));
  expectProblem(await client.next(), 413, "message-too-large");
  expect((await client.closed()).code).toBe(4429);
});

test("the limit counts a message's fragments together", async () => {
  const client = await connect();
  for (let fragment = 0; fragment < 9; fragment += 1) {
    client.socket.send("x".repeat(8192), { fin: fragment === 8 });
  }
  expectProblem(await client.next(), 413, "message-too-large");
  expect((await client.closed()).code).toBe(4429);
});

test("a message over 1 MiB is not read: the connection closes", async () => {
  const client = await connect();
  client.send("x".repeat(1024 * 1024 + 1));
  expect((await client.closed()).code).toBe(1009);
});

test("an invalid id is a problem with the sub, and the connection stays open", async () => {
  const client = await connect();
  const ids = ["", "@x", "x".repeat(101), "a\nb", "a\u0000b", "é", 5, null, {}, ["x"], undefined];
  for (const [index, operation_id] of ids.entries()) {
    const sub = `sub-${index}`;
    client.send({ type: "subscribe", sub, operation_id });
    const problem = await client.next();
    expectProblem(problem, 400, "invalid-operation-id", JSON.stringify(operation_id));
    expect(problem.sub).toBe(sub);
  }
  client.send({ type: "ping" });
  expect(await client.next()).toEqual({ type: "pong" });
});

test("an unknown operation is a problem with the sub, then unsubscribed, and the sub can be used again", async () => {
  const client = await connect();
  for (const operation_id of ["unheard-of", await waiting()]) {
    client.send({ type: "subscribe", sub: "1", operation_id });
    expect(await client.next()).toMatchObject({ type: "subscribed", sub: "1", operation_id });
    const next = await client.next();
    if (operation_id !== "unheard-of") {
      expect(next).toMatchObject({ type: "snapshot", sub: "1", operation_id });
      continue;
    }
    expectProblem(next, 404, "operation-not-found");
    expect(next).toMatchObject({ sub: "1", operation_id });
    expect(await client.next()).toMatchObject({ type: "unsubscribed", sub: "1" });
  }
});

test("a sub that is in use is refused with 409, and the first subscription stays", async () => {
  const client = await connect();
  const [first, second] = [await waiting(), await waiting()];
  client.send({ type: "subscribe", sub: "s", operation_id: first });
  await client.nextOf("snapshot");
  client.send({ type: "subscribe", sub: "s", operation_id: second });
  const problem = await client.next();
  expectProblem(problem, 409, "duplicate-subscription");
  expect(problem.sub).toBe("s");
  client.send({ type: "unsubscribe", sub: "s" });
  expect(await client.next()).toEqual({
    type: "unsubscribed",
    sub: "s",
    operation_id: first,
    reason: "requested",
  });
});

test("unsubscribing an unknown sub is a problem with the sub, and the connection stays open", async () => {
  const client = await connect();
  client.send({ type: "unsubscribe", sub: "never" });
  const problem = await client.next();
  expectProblem(problem, 404, "unknown-subscription");
  expect(problem.sub).toBe("never");
  client.send({ type: "ping" });
  await client.nextOf("pong");
});

test("200 subscriptions are served, the 201st is a problem and close 4429", async () => {
  const client = await connect();
  const id = await waiting();
  for (let sub = 1; sub <= 200; sub += 1) {
    client.send({ type: "subscribe", sub: String(sub), operation_id: id });
  }
  for (let sub = 1; sub <= 200; sub += 1) await client.nextOf("snapshot");
  client.send({ type: "subscribe", sub: "201", operation_id: id });
  const problem = await client.nextOf("problem");
  expectProblem(problem, 429, "too-many-subscriptions");
  expect((await client.closed()).code).toBe(4429);
});

test("more than 200 operations in the query are refused before the upgrade", async () => {
  const path = (count: number) =>
    `/api/ws?${Array.from({ length: count }, (_, index) => `operation_id=x${index}`).join("&")}`;
  const answer = await exchange(stack.url, `GET ${path(201)} HTTP/1.1\r\n${HANDSHAKE}\r\n`);
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  checkProblem(splitAnswer(answer).body, 400, "invalid-query");
  const client = await connect(path(200));
  for (let sub = 1; sub <= 200; sub += 1) await client.nextOf("unsubscribed");
});

test("unknown keys of a message are ignored", async () => {
  const client = await connect();
  client.send({ type: "ping", id: 7, sub: 5 });
  expect(await client.next()).toEqual({ type: "pong" });
});

test("a plain GET is 426 and says what to do", async () => {
  const response = await fetch(new URL("/api/ws", stack.url));
  const { detail } = await problemOf(response, 426, "upgrade-required");
  expect(detail).toContain("dts-push.v1");
  expect(response.headers.get("upgrade")).toBe("websocket");
});

test("an upgrade to something else is 426 too", async () => {
  const answer = await exchange(
    stack.url,
    "GET /api/ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade, close\r\nupgrade: h2c\r\n\r\n",
  );
  expect(answer).toMatch(/^HTTP\/1\.1 426 /);
  checkProblem(splitAnswer(answer).body, 426, "upgrade-required");
});

test("an invalid handshake is a problem", async () => {
  for (const [from, to] of [
    ["sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==", "sec-websocket-key: short"],
    ["sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==", "x: y"],
    ["sec-websocket-version: 13", "sec-websocket-version: 99"],
    ["sec-websocket-version: 13", "sec-websocket-protocol: ,,"],
  ] as const) {
    const answer = await exchange(
      stack.url,
      `GET /api/ws HTTP/1.1\r\n${HANDSHAKE.replace(from, to)}\r\n`,
    );
    expect(answer, to).toMatch(/^HTTP\/1\.1 400 /);
    checkProblem(splitAnswer(answer).body, 400, "invalid-request", to);
  }
});

test("an invalid id in the query is a 400 before the upgrade", async () => {
  const answer = await exchange(
    stack.url,
    `GET /api/ws?operation_id=@x HTTP/1.1\r\n${HANDSHAKE}\r\n`,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  checkProblem(splitAnswer(answer).body, 400, "invalid-operation-id");
});

test("an upgrade on another path is ignored", async () => {
  for (const [path, status] of [
    ["/healthz", 200],
    ["/nope", 404],
    ["/api/operations/unheard-of/events", 404],
  ] as const) {
    const connection = await RawConnection.open(stack.url);
    connection.send(`GET ${path} HTTP/1.1\r\n${HANDSHAKE}\r\n`);
    await connection.until(new RegExp(`^HTTP/1\\.1 ${status} .*\r\n`));
  }
});

test("another subprotocol is not accepted", async () => {
  const socket = new WebSocket(`ws://${stack.url.host}/api/ws`, ["dts-push.v9", "graphql-ws"]);
  const failed = new Promise<Error>((resolve) => socket.on("error", resolve));
  expect((await within("the client to refuse", failed)).message).toMatch(/subprotocol/i);
  socket.terminate();

  const client = await WsClient.connect(stack.url, "/api/ws", ["dts-push.v9", "dts-push.v1"]);
  expect(client.socket.protocol).toBe("dts-push.v1");
});

test("bytes that are not WebSocket frames close the connection", async () => {
  for (const bytes of [
    "hello, this is no frame",
    Buffer.from([0x83, 0x80, 0, 0, 0, 0]), // a reserved opcode
    Buffer.from([0xc1, 0x80, 0, 0, 0, 0]), // a reserved bit
    Buffer.from([0x81, 0x02, 0x7b, 0x7d]), // not masked
    Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0xff, 0xff]), // not UTF-8
    Buffer.from([0x89, 0xfe, 0x00, 0x7e, 0, 0, 0, 0]), // a ping too long
    Buffer.from([0x80, 0x80, 0, 0, 0, 0]), // a continuation of nothing
    Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed]), // a close code nobody may send
    Buffer.from([0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
  ]) {
    const connection = await RawConnection.open(stack.url);
    connection.send(`GET /api/ws HTTP/1.1\r\n${HANDSHAKE}\r\n`);
    await connection.until(/^HTTP\/1\.1 101 [\s\S]*\r\n\r\n/);
    connection.send(bytes);
    await connection.untilClosed(5000);
  }
});

test("a client may disconnect in the middle of a frame", async () => {
  const connection = await RawConnection.open(stack.url);
  connection.send(`GET /api/ws?operation_id=x HTTP/1.1\r\n${HANDSHAKE}\r\n`);
  await connection.until(/^HTTP\/1\.1 101 /);
  connection.send(Buffer.from([0x81, 0xff, 0, 0, 0, 0]));
  connection.close();
});
