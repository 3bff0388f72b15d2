import type { ServerWritableStream, status } from "@grpc/grpc-js";
import type * as Proto from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import pb from "@microsoft/durabletask-js/dist/proto/orchestrator_service_pb.js";
import type { Instance } from "../../../src/dts/instance.ts";
import { ScriptedScheduler } from "./scripted-scheduler.ts";

type Call = ServerWritableStream<Proto.StreamInstanceHistoryRequest, Proto.HistoryChunk>;

/** A read of a history that has arrived at the scheduler. The test answers it. */
export interface HistoryRead {
  readonly id: string;
  /** 1 for the first read of this id. */
  readonly number: number;
  /** Aborted when the reader has cancelled. */
  readonly gone: AbortSignal;
  /** Resolves when the transport takes more, or the reader has cancelled. */
  write(events: readonly Proto.HistoryEvent[]): Promise<void>;
  end(): void;
  fail(code: status): void;
}

/** Answers a read. An error fails the test. */
export type HistoryAnswer = (read: HistoryRead) => Promise<void> | void;

/** Entries per chunk by default. */
const EVENTS_PER_CHUNK = 200;

/** A scripted scheduler that also has the histories that a test stores in it. */
export class ScriptedHistories {
  readonly histories = new Map<string, readonly Proto.HistoryEvent[]>();
  readonly #reads = new Map<string, number>();
  #scheduler!: ScriptedScheduler;
  /** Reads of histories that have not ended. */
  openReads = 0;
  /** Answers each read of a history. By default it sends the whole, in chunks. */
  answer: HistoryAnswer = (read) => this.answerWhole(read);

  /** @param keepsHistories false for a scheduler that does not know the RPC */
  static async start(keepsHistories = true): Promise<ScriptedHistories> {
    const histories = new ScriptedHistories();
    const streamInstanceHistory = (call: unknown) => void histories.#receive(call as Call);
    const handlers = keepsHistories ? { streamInstanceHistory } : {};
    histories.#scheduler = await ScriptedScheduler.start([], handlers);
    return histories;
  }

  get address(): string {
    return this.#scheduler.address;
  }

  /** Reads of this history so far. */
  readsOf(id: string): number {
    return this.#reads.get(id) ?? 0;
  }

  /** Reads of this operation's state so far. */
  statusReadsOf(id: string): number {
    return this.#scheduler.findsOf(id);
  }

  /** Stores a state: the present one with these changes, by default a millisecond later. */
  set(id: string, change: Partial<Instance> = {}): void {
    this.#scheduler.set(id, change);
  }

  async answerWhole(read: HistoryRead, eventsPerChunk = EVENTS_PER_CHUNK): Promise<void> {
    const events = this.histories.get(read.id) ?? [];
    for (let at = 0; at < events.length && !read.gone.aborted; at += eventsPerChunk) {
      await read.write(events.slice(at, at + eventsPerChunk));
    }
    read.end();
  }

  async #receive(call: Call): Promise<void> {
    const id = call.request.getInstanceid();
    const number = this.readsOf(id) + 1;
    this.#reads.set(id, number);
    this.openReads += 1;
    const gone = new AbortController();
    const leave = () => {
      if (!gone.signal.aborted) this.openReads -= 1;
      gone.abort();
    };
    call.on("cancelled", leave);
    call.on("close", leave);
    call.on("error", () => undefined);
    const read: HistoryRead = {
      id,
      number,
      gone: gone.signal,
      write: async (events) => {
        if (gone.signal.aborted) return;
        const chunk = new pb.HistoryChunk();
        chunk.setEventsList([...events]);
        if (call.write(chunk)) return;
        await new Promise<void>((resolve) => {
          call.once("drain", resolve);
          gone.signal.addEventListener("abort", () => resolve(), { once: true });
        });
      },
      end: () => {
        if (!gone.signal.aborted) call.end();
        leave();
      },
      fail: (code) => {
        if (!gone.signal.aborted)
          call.emit("error", Object.assign(new Error("as the test wants it"), { code }));
        leave();
      },
    };
    await this.answer(read);
  }
}
