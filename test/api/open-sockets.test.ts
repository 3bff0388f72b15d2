import { expect, test } from "vitest";
import { eventually, within } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { startTestApi } from "../helpers/stack.ts";
import { checkProblem } from "./support/problem.ts";
import { RawConnection, splitAnswer } from "./support/raw-connection.ts";

const HOST = "host: localhost\r\n";
const HANDSHAKE =
  `GET /api/ws HTTP/1.1\r\n${HOST}connection: upgrade\r\nupgrade: websocket\r\n` +
  "sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n";

async function startApi() {
  const scheduler = await ScriptedScheduler.start([instance()]);
  const api = await startTestApi(scheduler.address);
  const openSockets = async (): Promise<number> => {
    const headers = { connection: "close" };
    const metrics = await (await fetch(new URL("/metrics", api.url), { headers })).text();
    return Number(/^dts_push_sockets (\d+)$/m.exec(metrics)?.[1]) - 1; // without its own
  };
  return { api, scheduler, openSockets };
}

test("a handshake behind an unanswered request is refused and its socket closed, and none is left", async () => {
  const { api, openSockets } = await startApi();
  for (const first of [
    `GET /readyz HTTP/1.1\r\n${HOST}\r\n`,
    `GET /readyz HTTP/1.1\r\n${HOST}expect: miracles\r\n\r\n`,
    `GET /api/operations/op HTTP/1.1\r\n${HOST}\r\nGET /readyz HTTP/1.1\r\n${HOST}\r\n`,
  ]) {
    const connection = await RawConnection.open(api.url);
    connection.send(first + HANDSHAKE);
    const received = await connection.untilClosed();
    expect(received, first).toMatch(/^HTTP\/1\.1 200 /);
    const last = received.slice(received.lastIndexOf("HTTP/1.1 "));
    checkProblem(splitAnswer(last).body, 400, "invalid-request", first);
  }
  await eventually("all sockets to be closed", async () => (await openSockets()) === 0);
});

test("a handshake behind an answered request is accepted", async () => {
  const { api } = await startApi();
  const connection = await RawConnection.open(api.url);
  connection.send(`GET /healthz HTTP/1.1\r\n${HOST}\r\n`);
  await connection.until(/"ok"/);
  connection.send(HANDSHAKE);
  await connection.until(/HTTP\/1\.1 101 /);
});

test("every accepted socket is counted until it is closed, WebSockets and idle ones too (SOCKET-1)", async () => {
  const { api, openSockets } = await startApi();
  const connections = await Promise.all(
    Array.from({ length: 4 }, () => RawConnection.open(api.url)),
  );
  const [, half, stream, socket] = connections;
  half?.send("GET /healthz HTTP/1.1\r\n");
  stream?.send(`GET /api/operations/op/events HTTP/1.1\r\n${HOST}\r\n`);
  socket?.send(HANDSHAKE);
  await stream?.until(/event: snapshot/);
  await socket?.until(/HTTP\/1\.1 101 /);
  expect(await openSockets()).toBe(4);
  for (const connection of connections) connection.close();
  await eventually("all sockets to be closed", async () => (await openSockets()) === 0);
});

test("a stream whose client ends its side is closed, and what was requested behind it given up (TAKEN-2)", async () => {
  const { api, openSockets } = await startApi();
  const connection = await RawConnection.open(api.url);
  connection.send(
    `GET /api/operations/op/events HTTP/1.1\r\n${HOST}\r\n` +
      `GET /healthz HTTP/1.1\r\n${HOST}\r\nGET /api/operations/op HTTP/1.1\r\n${HOST}\r\n`,
  );
  await connection.until(/event: snapshot/);
  connection.end();
  expect(await connection.untilClosed()).not.toMatch(/HTTP\/1\.1 [\s\S]*HTTP\/1\.1/);
  await eventually("all sockets to be closed", async () => (await openSockets()) === 0);
});

test("sockets that are not served do not delay closing (SOCKET-3)", async () => {
  const { api, scheduler } = await startApi();
  const behindStream = await RawConnection.open(api.url);
  behindStream.send(`GET /api/operations/op/events HTTP/1.1\r\n${HOST}\r\n`);
  await behindStream.until(/event: snapshot/);
  behindStream.send(HANDSHAKE);
  scheduler.fault = { kind: "held" };
  const behindRead = await RawConnection.open(api.url);
  behindRead.send(`GET /api/operations/other HTTP/1.1\r\n${HOST}\r\n${HANDSHAKE}`);
  await scheduler.heldReads.take("the read of the request");
  const mute = await RawConnection.open(api.url);
  mute.send(HANDSHAKE);
  await mute.until(/HTTP\/1\.1 101 /);
  await within("the API to close", api.stopApi());
  await Promise.all([behindStream, behindRead, mute].map((each) => each.untilClosed()));
});
