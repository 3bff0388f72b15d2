import type { FastifyRequest } from "fastify";

/** Runs `wait` with a signal that is aborted when the client disconnects. */
export async function whileConnected<Result>(
  { raw: { socket } }: FastifyRequest,
  wait: (left: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const left = new AbortController();
  const onClose = () => left.abort();
  socket.once("close", onClose);
  try {
    return await wait(left.signal);
  } finally {
    socket.off("close", onClose);
  }
}
