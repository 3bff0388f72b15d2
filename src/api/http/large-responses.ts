import type { ServerResponse } from "node:http";
import { Readable } from "node:stream";
import type { FastifyInstance } from "fastify";
import { Progress } from "../../streaming/delivery/progress.ts";

/** Time between two checks of the responses that are being sent. */
const CHECK_EVERY_MS = 1000;
/** Larger bodies are sent in pieces of this size, since Node reports a write only as a whole. */
const PIECE_BYTES = 16 * 1024;

/**
 * Sends every response for as long as its client takes bytes, and closes the connection of one that
 * took none for 10 s or is slower than 8 kB/s. Streams hijack their sockets and apply the rule themselves.
 */
export function sendWhileTaken(app: FastifyInstance): void {
  const open = new Map<ServerResponse, Progress | undefined>();
  let timer: NodeJS.Timeout | undefined;

  const forget = (response: ServerResponse) => {
    open.delete(response);
    if (open.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };

  const check = () => {
    const nowMs = performance.now();
    for (const [response, progress] of open) {
      const { socket } = response;
      // Its client left before there was an answer, or while it waited behind another one: no `close` follows.
      if (response.req.socket.destroyed) forget(response);
      // Without a socket it waits behind another response; without unsent bytes, for the scheduler.
      else if (!socket || socket.writableLength === 0) open.set(response, undefined);
      else if (!progress) open.set(response, new Progress(socket, nowMs));
      else if (progress.isTooSlow(nowMs)) response.destroy();
    }
  };

  app.addHook("onSend", async (request, reply, payload) => {
    const response = reply.raw;
    open.set(response, undefined);
    response.once("close", () => forget(response));
    timer ??= setInterval(check, CHECK_EVERY_MS);
    if (typeof payload !== "string" || request.method === "HEAD") return payload;
    const bytes = Buffer.byteLength(payload);
    if (bytes <= PIECE_BYTES) return payload;
    reply.header("content-length", bytes);
    return Readable.from(piecesOf([payload]), { objectMode: false });
  });
}

/** The same text in pieces that are small enough to show a slow client's progress. */
export async function* piecesOf(
  texts: Iterable<string> | AsyncIterable<string>,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const text of texts) {
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
      yield bytes.subarray(at, at + PIECE_BYTES);
    }
  }
}
