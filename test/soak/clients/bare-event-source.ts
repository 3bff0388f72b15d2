import { EventSource } from "eventsource";
import type { BareOptions } from "./bare-sse.ts";
import type { View } from "./view.ts";

/**
 * An `EventSource` as browsers have it: it connects again by itself, with its last id, until it is refused.
 * @returns whether the server said that nothing more will come
 */
export async function followOverEventSource(
  view: View,
  { url, credential, signal }: BareOptions,
): Promise<boolean> {
  const target = new URL(`/api/operations/${view.operation.id}/events`, url);
  target.searchParams.set("access_token", await credential());
  if (view.cursor !== undefined) target.searchParams.set("after", view.cursor);
  signal.throwIfAborted();
  const source = new EventSource(target);
  const ended = Promise.withResolvers<boolean>();
  const abort = () => ended.resolve(false);
  signal.addEventListener("abort", abort, { once: true });
  const take = ({ data }: MessageEvent) => view.take(JSON.parse(data).operation);
  source.addEventListener("snapshot", take);
  source.addEventListener("update", take);
  source.addEventListener("bye", ({ data }) => {
    if (!JSON.parse(data).reconnect) ended.resolve(true);
  });
  source.addEventListener("error", ({ code }) => {
    // 204: nothing has come since the last id, and nothing more will.
    if (source.readyState === source.CLOSED) ended.resolve(code === 204);
  });
  try {
    return await ended.promise;
  } finally {
    signal.removeEventListener("abort", abort);
    source.close();
  }
}
