import type { Http } from "../http.ts";
import { noPlace, type Place, type Source } from "../source.ts";
import { isTerminal, type Message } from "../wire.ts";
import { Queue } from "./queue.ts";
import { overSse } from "./sse.ts";

/** Characters of a request's line: proxies accept 8,000. */
const MOST_CHARACTERS = 7000;
/** Of an operation's cursor, and the names of its parameters. */
const CURSOR_CHARACTERS = 90;
/** What comes within this time shares a request. */
const GATHER_MS = 10;
const ENDED: Message = { type: "bye", reason: "terminal", reconnect: false };

/** A source of operations that shares a stream. */
interface Receiver {
  readonly kind: Source["kind"];
  readonly place: Place;
  /** Those that have not ended. */
  readonly open: Set<string>;
  readonly queue: Queue<Message>;
  /** The stream that serves it; none until there is one with its operations. */
  stream?: AbortController;
}

/**
 * Sources as server-sent events. A browser opens six connections to a server under HTTP/1.1, so all operations
 * share a stream: when another one comes it is opened again, from their cursors. Steps and feeds have their own.
 */
export class EventStreams {
  readonly #http: Http;
  readonly #waitS: number | undefined;
  readonly #receivers = new Set<Receiver>();
  #stream = new AbortController();
  #gathering: ReturnType<typeof setTimeout> | undefined;

  /** @param waitS as `overSse` has it */
  constructor(http: Http, waitS?: number) {
    this.#http = http;
    this.#waitS = waitS;
  }

  async *follow(source: Source, place: Place, signal: AbortSignal): AsyncGenerator<Message, void> {
    const { kind } = source;
    const ids = kind === "operation" ? [source.id] : kind === "operations" ? source.ids : undefined;
    const open = new Set(ids?.filter((id) => !place.terminal.get(id)));
    const all = [...this.#receivers, { open }].flatMap((each) => [...each.open]);
    const characters = encodeURIComponent(all.join("")).length + CURSOR_CHARACTERS * all.length;
    if (!ids || characters > MOST_CHARACTERS) {
      const { after } = place;
      yield* overSse(this.#http, source, { ...noPlace(), after }, signal, this.#waitS);
      return;
    }
    const queue = new Queue<Message>();
    const receiver: Receiver = { kind, place, open, queue };
    if (open.size === 0) queue.push(ENDED);
    const onAbort = () => queue.end();
    signal.addEventListener("abort", onAbort);
    this.#receivers.add(receiver);
    clearTimeout(this.#gathering);
    this.#gathering = setTimeout(() => void this.#receive(), GATHER_MS);
    try {
      yield* queue;
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#receivers.delete(receiver);
      if (this.#receivers.size === 0) this.#stream.abort();
    }
  }

  async #receive(): Promise<void> {
    this.#stream.abort();
    const stream = new AbortController();
    this.#stream = stream;
    const place = noPlace();
    for (const each of this.#receivers) {
      const { open, place: own } = each;
      each.stream = stream;
      for (const id of open) {
        // That of a terminal state would be answered with nothing about the operation.
        const cursor = own.terminal.has(id) ? own.cursors.get(id) : undefined;
        place.cursors.set(id, cursor ?? "");
      }
    }
    const ids = [...place.cursors.keys()];
    if (ids.length === 0) return;
    let error: unknown;
    try {
      const source: Source = { kind: "operations", ids };
      const { signal } = stream;
      for await (const message of overSse(this.#http, source, place, signal, this.#waitS)) {
        if (signal.aborted) break;
        for (const each of this.#receivers) if (each.stream === stream) send(each, message);
      }
    } catch (thrown) {
      error = thrown;
    }
    // The next stream goes on with the others.
    for (const each of this.#receivers) if (each.stream === stream) each.queue.end(error);
  }
}

function send({ kind, open, queue }: Receiver, message: Message): void {
  const { operation, problem } = message;
  const id = operation?.operation_id ?? message.operation_id;
  if (id !== undefined && !open.has(id)) return;
  const isMissing = id !== undefined && problem?.status === 404;
  if (isMissing && kind === "operation") {
    const reason = problem.type.endsWith("gone") ? "gone" : "not-found";
    queue.push({ ...ENDED, reason });
    return;
  }
  // The id is that of all operations of the stream.
  queue.push({ ...message, id: undefined });
  if (id === undefined || !(isMissing || (operation && isTerminal(operation)))) return;
  open.delete(id);
  if (open.size === 0) queue.push(ENDED);
}
