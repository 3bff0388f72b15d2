import { setTimeout as pause } from "node:timers/promises";
import { WebSocket } from "ws";
import type { BareOptions } from "./bare-sse.ts";
import type { View } from "./view.ts";

/**
 * One connection of a plain WebSocket client.
 * @returns whether the server said that nothing more will come
 */
export async function followOverWebSocket(
  view: View,
  { url, credential, signal, drawStallMs }: BareOptions,
): Promise<boolean> {
  const token = await credential();
  signal.throwIfAborted();
  const socket = new WebSocket(new URL("/api/ws", url), "dts-push.v1");
  const send = (message: object) => socket.send(JSON.stringify(message));
  const ended = Promise.withResolvers<boolean>();
  const abort = () => socket.terminate();
  signal.addEventListener("abort", abort, { once: true });
  socket.on("error", () => undefined); // `close` follows.
  socket.on("close", () => ended.resolve(false));
  socket.on("open", () => send({ type: "auth", token }));
  socket.on("message", (data) => {
    const message = JSON.parse(String(data));
    if (message.type === "authenticated") {
      send({ type: "subscribe", sub: "1", operation_id: view.operation.id, after: view.cursor });
    }
    if (message.operation) view.take(message.operation);
    if (message.type === "unsubscribed") ended.resolve(message.reason === "terminal");
    const stallMs = drawStallMs();
    if (stallMs > 0) {
      socket.pause();
      void pause(stallMs).then(() => socket.resume());
    }
  });
  try {
    return await ended.promise;
  } finally {
    signal.removeEventListener("abort", abort);
    socket.terminate();
  }
}
