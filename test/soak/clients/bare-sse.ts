import { setTimeout as pause } from "node:timers/promises";
import { EventSourceParserStream } from "eventsource-parser/stream";
import { problemOf } from "../../../client/problem.ts";
import type { Credential } from "./client-kinds.ts";
import type { View } from "./view.ts";

export interface BareOptions {
  readonly url: URL;
  readonly credential: Credential;
  readonly signal: AbortSignal;
  /** How long it takes nothing now, in milliseconds; mostly 0. */
  drawStallMs(): number;
}

/**
 * One connection of a plain SSE client, which resumes as an `EventSource` does.
 * @returns whether the server said that nothing more will come
 * @throws ProblemError for what the server refuses
 */
export async function followOverSse(view: View, options: BareOptions): Promise<boolean> {
  const { url, credential, signal } = options;
  const target = new URL(`/api/operations/${view.operation.id}/events`, url);
  target.searchParams.set("access_token", await credential());
  const headers = new Headers({ accept: "text/event-stream" });
  if (view.cursor !== undefined) headers.set("last-event-id", view.cursor);
  const response = await fetch(target, { headers, signal });
  if (response.status === 204) return true;
  if (!response.ok || !response.body) throw await problemOf(response);
  const events = response.body
    .pipeThrough(new TextDecoderStream())
    .pipeThrough(new EventSourceParserStream());
  for await (const { event, data } of events) {
    const message = JSON.parse(data);
    if (message.operation) view.take(message.operation);
    if (event === "bye") return !message.reconnect;
    await stall(options);
  }
  return false;
}

/** @throws AbortError when the client goes meanwhile */
export async function stall({ drawStallMs, signal }: BareOptions): Promise<void> {
  const stallMs = drawStallMs();
  if (stallMs > 0) await pause(stallMs, undefined, { signal });
}
