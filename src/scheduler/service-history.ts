/** Streams an instance's history to a client, as fast as the client reads. */
import { once } from "node:events";
import type { ServerWritableStream } from "@grpc/grpc-js";
import { pb } from "./proto.ts";
import type { Reads } from "./reads.ts";

const EVENTS_PER_CHUNK = 200;

/** An unknown id gives an empty stream, as on the Durable Task Scheduler. */
export async function streamHistory(
  reads: Reads,
  hub: number,
  call: ServerWritableStream<pb.StreamInstanceHistoryRequest, pb.HistoryChunk>,
): Promise<void> {
  const gone = new AbortController();
  call.on("cancelled", () => gone.abort());
  const instance = await reads.find(hub, call.request.getInstanceid());
  const events = instance ? reads.history(instance) : [];
  for (let start = 0; start < events.length && !gone.signal.aborted; start += EVENTS_PER_CHUNK) {
    const chunk = new pb.HistoryChunk();
    chunk.setEventsList(events.slice(start, start + EVENTS_PER_CHUNK));
    if (!call.write(chunk))
      await once(call, "drain", { signal: gone.signal }).catch(() => undefined);
  }
  call.end();
}
