/**
 * Streams an instance's history to a client, as fast as the client reads. What is sent is the history
 * as it was when the call came, if need be in several reads: should it begin anew between two of them,
 * the call fails, since a mixture of two histories is none. One that fits into one read never fails.
 */
import type { ServerWritableStream } from "@grpc/grpc-js";
import type { Reads } from "../engine/reads.ts";
import { historyMessage, storedEvents } from "../protocol/framing.ts";
import type { pb } from "../protocol/proto.ts";
import { historyReplaced } from "../protocol/status-errors.ts";
import type { Store } from "../storage/store.ts";

const EVENTS_PER_CHUNK = 200;
/** A chunk has no more, or a single event: clients take in 4 MB unless they ask for more. */
const MAX_CHUNK_BYTES = 1024 * 1024;
/** Read from the file at once, or a single turn; what a reader that does not read costs. */
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

/** Waits until the chunk is on its way: a stream would take in sixteen before it says no. `false`: the caller has gone. */
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

/** What is known to be durable is the history up to the turn that the instance had at first. */
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
