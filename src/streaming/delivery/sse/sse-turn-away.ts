import type { StreamContext } from "../stream-context.ts";
import { type SseClient, SseConnection, type StreamContent } from "./sse-connection.ts";

const NOTHING: StreamContent = {
  cursor: () => undefined,
  asOfMs: () => undefined,
  resumed: undefined,
  subject: { turnedAway: true },
  onReady: () => undefined,
  onClose: () => undefined,
};

/**
 * Sends a client to another replica, or to a later time, by a stream that ends at once: an EventSource
 * gives up permanently on any other response.
 */
export function turnAway(client: SseClient, context: StreamContext): void {
  new SseConnection(client, NOTHING, context).bye("drain");
}
