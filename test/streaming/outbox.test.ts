import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { Outbox } from "../../src/streaming/outbox.ts";
import { eventually, within } from "../helpers/deadline.ts";

const FRAME = Buffer.alloc(300_000, "x");

/** Two ends of one TCP connection; the far one does not read until it is told to. */
async function socketPair(): Promise<{ near: Socket; far: Socket }> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const far = connect((server.address() as AddressInfo).port, "127.0.0.1");
  far.pause();
  const [near] = await accepted;
  near.on("error", () => undefined);
  far.on("error", () => undefined);
  onTestFinished(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  return { near, far };
}

function outboxOn(near: Socket, maxBufferedBytes = 1_000_000) {
  const calls = { ready: 0, slow: 0 };
  const outbox = new Outbox(near, {
    maxBufferedBytes,
    onUnsent: () => undefined,
    onReady: () => {
      calls.ready += 1;
    },
    onSlow: () => {
      calls.slow += 1;
    },
  });
  return { outbox, calls };
}

/** Writes while it may, until the sockets' buffers are full. */
async function fill(outbox: Outbox): Promise<number> {
  let written = 0;
  let quietTurns = 0;
  while (quietTurns < 20) {
    if (outbox.ready) {
      outbox.write(FRAME);
      written += FRAME.length;
      quietTurns = 0;
    } else quietTurns += 1;
    await new Promise(setImmediate);
  }
  return written;
}

test("O2: who writes only while it is ready never holds more than one frame", async () => {
  const { near } = await socketPair();
  const { outbox, calls } = outboxOn(near);
  await fill(outbox);
  expect(outbox.unsentBytes).toBeLessThanOrEqual(FRAME.length + 16 * 1024);
  expect(calls).toEqual({ ready: 0, slow: 0 });
});

test("O2: past the limit a client is too slow, once, and nothing more is held", async () => {
  const { near } = await socketPair();
  const { outbox, calls } = outboxOn(near);
  await fill(outbox);
  for (let count = 0; count < 10_000; count += 1) outbox.write(Buffer.alloc(1000));
  expect(calls.slow).toBe(1);
  expect(outbox.unsentBytes).toBeLessThanOrEqual(1_000_000 + 2 * FRAME.length);
});

test("all bytes arrive in order, and readiness is told when the client has caught up", async () => {
  const { near, far } = await socketPair();
  const { outbox, calls } = outboxOn(near);
  const written = await fill(outbox);
  outbox.write(Buffer.from("!"));
  let received = 0;
  let last = "";
  far.on("data", (chunk) => {
    received += chunk.length;
    last = chunk.toString("latin1").slice(-1);
  });
  far.resume();
  await eventually("all bytes", () => received === written + 1);
  expect(last).toBe("!");
  await eventually("readiness", () => calls.ready === 1);
});

test("O2: a client that takes nothing for 10 s is too slow; one that takes a little is not", async () => {
  const { near, far } = await socketPair();
  // Only the clock is ours: bytes take the time they take.
  vi.useFakeTimers({ toFake: ["Date"] });
  onTestFinished(() => void vi.useRealTimers());
  const check = (outbox: Outbox, afterMs: number) => {
    vi.setSystemTime(Date.now() + afterMs);
    outbox.check(Date.now());
  };
  const { outbox, calls } = outboxOn(near);
  let written = await fill(outbox);
  for (let round = 0; round < 3; round += 1) {
    check(outbox, 0);
    const leftBefore = written - outbox.unsentBytes;
    far.resume();
    await eventually("some bytes to leave", () => written - outbox.unsentBytes > leftBefore);
    far.pause();
    written += await fill(outbox);
    check(outbox, 9000);
  }
  expect(calls.slow).toBe(0);
  // The kernel may yet take some; once it does no more, ten seconds are too long.
  await eventually("the verdict", () => {
    check(outbox, 11_000);
    return calls.slow > 0;
  });
  expect(calls.slow).toBe(1);
});

test("O3: after the end the last frame has left and the socket closes, also under a stalled client", async () => {
  const { near } = await socketPair();
  const { outbox } = outboxOn(near);
  await fill(outbox);
  const closed = once(near, "close");
  outbox.end(Buffer.from("bye"), () => near.end());
  outbox.write(FRAME);
  await within("the socket to be destroyed", closed, 5000);
});
