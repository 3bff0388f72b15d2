import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { Readable } from "node:stream";
import type { FastifyInstance } from "fastify";

/** How much of a request is read after its answer. Simple clients send all of it before they read. */
const MAX_DISCARDED_BYTES = 16 * 1024 * 1024;
/** How long the rest of a request is read after its answer. */
const DISCARD_WITHIN_MS = 10_000;

/**
 * Reads and discards what a client still sends after its request was answered. Closing a socket with
 * unread data resets the connection, and the client may lose the answer.
 */
export function discardUnreadBodies(app: FastifyInstance): void {
  app.addHook("onSend", async ({ raw }, reply, payload) => {
    if (raw.complete || raw.method === "HEAD" || !isWhole(payload)) return payload;
    // With a length the answer is complete for the client before the response ends.
    reply.header("content-length", Buffer.byteLength(payload));
    return Readable.from(thenDiscard(payload, raw));
  });
}

function isWhole(payload: unknown): payload is string | Buffer {
  return typeof payload === "string" || Buffer.isBuffer(payload);
}

async function* thenDiscard(payload: string | Buffer, request: IncomingMessage) {
  yield payload;
  await discard(request, request.socket);
}

/** Ends a socket that HTTP no longer serves with `answer`, and discards what it still receives. */
export function endAndDiscard(socket: Duplex, answer: string): void {
  socket.removeAllListeners("data");
  socket.end(answer);
  void discard(socket, socket);
}

/** Reads `source` to its end; destroys `socket` if that takes too much or too long. */
async function discard(source: Readable, socket: Duplex): Promise<void> {
  if (source.readableEnded || source.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  let bytes = 0;
  const onData = (chunk: Buffer): void => {
    bytes += chunk.length;
    if (bytes > MAX_DISCARDED_BYTES) socket.destroy();
  };
  const timer = setTimeout(() => socket.destroy(), DISCARD_WITHIN_MS);
  source.on("data", onData).once("end", resolve).once("close", resolve).resume();
  await promise;
  clearTimeout(timer);
  source.off("data", onData);
}
