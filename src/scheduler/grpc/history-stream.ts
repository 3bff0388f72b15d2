/**
 * Streams an instance's history to a client, as fast as the client reads it. The client gets the
 * history as it was at the start of the call. A long history takes several reads; if the instance is
 * purged or gets a new history between two of them, the call is ABORTED rather than mix two histories.
 */
import type { ServerWritableStream } from "@grpc/grpc-js";
import type { Reads } from "../engine/reads.ts";
import { historyMessage, storedEvents } from "../protocol/framing.ts";
import type { pb } from "../protocol/proto.ts";
import { historyReplaced } from "../protocol/status-errors.ts";
import type { Store } from "../storage/store.ts";

const EVENTS_PER_CHUNK = 200;
/** Limit of a chunk, unless it is a single event. gRPC clients accept 4 MB by default. */
const MAX_CHUNK_BYTES = 1024 * 1024;
/** Limit of one read of the file, unless it is a single turn: the memory that a stalled client holds. */
const PAGE_BYTES = 1024 * 1024;

type HistoryCall = ServerWritableStream<pb.StreamInstanceHistoryRequest, Buffer>;

/** An unknown id gives an empty stream, as on the Durable Task Scheduler. */
export async function streamHistory(reads: Reads, hub: number, call: HistoryCall): Promise<void> {
  const id = call.request.getInstanceid();
  const { chunks, first } = await reads.read((store) => {
    const chunks = historyChunks(readTurns(store, hub, id));
    return { chunks, first: chunks.next() };
  });
  for (let next = first; !next.done; next = chunks.next()) {
    if (!(await sent(call, next.value))) break;
  }
  call.end();
}

/** Waits until the chunk was written: a stream buffers 16 chunks before it signals back-pressure. @returns false when the client has left */
async function sent(call: HistoryCall, chunk: Buffer): Promise<boolean> {
  if (call.cancelled) return false;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const leave = () => resolve(false);
  call.on("cancelled", leave);
  call.write(chunk, (error: Error | null | undefined) => resolve(!error && !call.cancelled));
  const isSent = await promise;
  call.off("cancelled", leave);
  return isSent;
}

/** Reads up to the turn that the instance had at the start, which is durable. */
function* readTurns(store: Store, hub: number, id: string): Generator<Uint8Array> {
  const instance = store.instances.byId(hub, id);
  if (!instance) return;
  const { key, generation, turn: lastTurn } = instance;
  let turn = -1;
  do {
    if (store.instances.byKey(key)?.generation !== generation) throw historyReplaced(id);
    const page = store.historyPage(key, turn, lastTurn, PAGE_BYTES);
    for (const { events } of page) yield events;
    turn = page.at(-1)?.turn ?? lastTurn;
  } while (turn < lastTurn);
}

function* historyChunks(turns: Iterable<Uint8Array>): Generator<Buffer> {
  let events: Uint8Array[] = [];
  let bytes = 0;
  for (const turn of turns) {
    for (const event of storedEvents(turn)) {
      const full = events.length === EVENTS_PER_CHUNK || bytes + event.length > MAX_CHUNK_BYTES;
      if (full && events.length > 0) {
        yield historyMessage(events);
        events = [];
        bytes = 0;
      }
      events.push(event);
      bytes += event.length;
    }
  }
  if (events.length > 0) yield historyMessage(events);
}
