import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { Outbox } from "../../src/streaming/delivery/outbox.ts";
import { eventually, within } from "../helpers/deadline.ts";

const FRAME = Buffer.alloc(300_000, "x");
const LAST_FRAME = Buffer.from("bye");

/** Two ends of one TCP connection; the far one does not read until it is resumed. */
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
  const calls = { ready: 0, slow: 0, closed: 0 };
  const outbox = new Outbox(near, {
    maxBufferedBytes,
    onUnsent: () => undefined,
    onReady: () => {
      calls.ready += 1;
    },
    onSlow: () => {
      calls.slow += 1;
    },
    onClosed: () => {
      calls.closed += 1;
    },
  });
  return { outbox, calls };
}

/** Writes for as long as the client keeps up, until the kernel's buffers are full. */
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

/** A clock that only the test advances, for `check`. */
function clockOf(outbox: Outbox) {
  let nowMs = performance.now();
  return (ms: number) => {
    nowMs += ms;
    outbox.check(nowMs);
  };
}

/** Lets the client read until the kernel has taken more. */
async function readSome(near: Socket, far: Socket): Promise<void> {
  const taken = () => near.bytesWritten - near.writableLength;
  const before = taken();
  far.resume();
  await eventually("some bytes to be taken", () => taken() > before || near.destroyed);
  far.pause();
}

test("a writer that waits for readiness never has more than one frame unsent (OUTBOX-2)", async () => {
  const { near } = await socketPair();
  const { outbox, calls } = outboxOn(near);
  await fill(outbox);
  expect(outbox.unsentBytes).toBeLessThanOrEqual(FRAME.length + 16 * 1024);
  expect(calls).toEqual({ ready: 0, slow: 0, closed: 0 });
});

test("past the limit a client is too slow, once, and nothing more is kept (OUTBOX-2)", async () => {
  const { near } = await socketPair();
  const { outbox, calls } = outboxOn(near);
  await fill(outbox);
  for (let count = 0; count < 10_000; count += 1) outbox.write(Buffer.alloc(1000));
  expect(calls.slow).toBe(1);
  expect(outbox.unsentBytes).toBeLessThanOrEqual(1_000_000 + 2 * FRAME.length);
});

test("all bytes arrive in order, and readiness is reported when the client has caught up", async () => {
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

test("a client that takes nothing for 10 s is too slow; one that takes a little is not (OUTBOX-2)", async () => {
  const { near, far } = await socketPair();
  const { outbox, calls } = outboxOn(near);
  await fill(outbox);
  const advance = clockOf(outbox);
  for (let round = 0; round < 3; round += 1) {
    await readSome(near, far);
    await fill(outbox);
    advance(9000);
  }
  expect(calls.slow).toBe(0);
  // The kernel may take some more at first.
  await eventually("the client to be found slow", () => {
    advance(11_000);
    return calls.slow > 0;
  });
  expect(calls.slow).toBe(1);
});

test("a client that keeps reading gets all, however long that takes, then the end (OUTBOX-3)", async () => {
  const { near, far } = await socketPair();
  const { outbox } = outboxOn(near, 20_000_000);
  const written = await fill(outbox);
  const large = Buffer.alloc(8_000_000, "y");
  outbox.write(large);
  outbox.end(LAST_FRAME, () => near.end());
  outbox.write(FRAME); // OUTBOX-4
  let received = 0;
  far.on("data", (chunk) => {
    received += chunk.length;
  });
  const ended = once(far, "end");
  const advance = clockOf(outbox);
  while (outbox.unsentBytes > 0) {
    await readSome(near, far);
    advance(9000);
    expect(near.destroyed).toBe(false);
  }
  far.resume();
  await within("the end", ended);
  expect(received).toBe(written + large.length + LAST_FRAME.length);
});

test("after the end a client that takes nothing for 10 s is cut off (OUTBOX-3)", async () => {
  const { near } = await socketPair();
  const { outbox } = outboxOn(near);
  await fill(outbox);
  outbox.end(LAST_FRAME, () => near.end());
  const advance = clockOf(outbox);
  advance(9000);
  expect(near.destroyed).toBe(false);
  await eventually("the socket to be destroyed", () => {
    advance(11_000);
    return near.destroyed;
  });
});

test("after the end a client slower than 8 kB/s is cut off, though it takes some (OUTBOX-3)", async () => {
  const { near, far } = await socketPair();
  const { outbox } = outboxOn(near, 100_000_000);
  await fill(outbox);
  outbox.write(Buffer.alloc(40_000_000));
  outbox.end(LAST_FRAME, () => near.end());
  const advance = clockOf(outbox);
  let rounds = 0;
  while (!near.destroyed) {
    await readSome(near, far);
    // The kernel takes some megabytes at a time, for which an hour is too long.
    advance(3_600_000);
    rounds += 1;
    expect(rounds).toBeLessThan(10);
  }
});

test("a socket that had closed before is noticed (OUTBOX-4)", async () => {
  const { near, far } = await socketPair();
  far.destroy();
  await eventually("the near end to close", () => near.resume().closed);
  const { outbox, calls } = outboxOn(near);
  expect(outbox.check(performance.now())).toBe(false);
  expect(calls.closed).toBe(1);
});

test("nothing is written after the socket has closed (OUTBOX-4)", async () => {
  const { near, far } = await socketPair();
  const { outbox, calls } = outboxOn(near);
  await fill(outbox);
  far.destroy();
  await eventually("the near end to close", () => near.closed);
  outbox.write(FRAME);
  outbox.end(LAST_FRAME, () => expect.unreachable());
  expect([outbox.ready, outbox.check(performance.now()), calls.slow]).toEqual([false, false, 0]);
});

test("the first frame of a turn leaves at once, those after it together (OUTBOX-5)", async () => {
  const { near } = await socketPair();
  const { outbox } = outboxOn(near);
  const taken: number[] = [];
  const note = () => taken.push(near.bytesWritten - near.writableLength);
  for (const frame of ["1", "22", "333"]) {
    outbox.write(Buffer.from(frame));
    note();
  }
  await new Promise(setImmediate);
  note();
  outbox.write(Buffer.from("4444"));
  note();
  expect(taken).toEqual([1, 1, 1, 6, 10]);
});
