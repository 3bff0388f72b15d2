import { SseConnection, type StreamContent } from "./sse-connection.ts";
import type { SseClient } from "./sse-opening.ts";
import type { StreamContext } from "./stream-context.ts";

const NOTHING: StreamContent = {
  cursor: () => undefined,
  asOfMs: () => undefined,
  resumed: undefined,
  onReady: () => undefined,
  onClose: () => undefined,
};

/**
 * Sends a client elsewhere, or to a later time, in words that an EventSource understands: it gives up
 * for good on any answer other than a stream.
 */
export function turnAway(client: SseClient, context: StreamContext): void {
  new SseConnection(client.socket, client, NOTHING, context).bye("drain");
}
