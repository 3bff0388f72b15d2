import { type ClientRequest, type IncomingMessage, request } from "node:http";
import type { Readable } from "node:stream";
import { constants, createGunzip } from "node:zlib";
import { createParser } from "eventsource-parser";
import { checkEvent, checkHead } from "./contract/contract.ts";
import { within } from "./deadline.ts";
import { onEnd } from "./lifetime.ts";
import { Mailbox } from "./mailbox.ts";

/** One event as an independent parser understood it. */
export interface ReceivedEvent {
  readonly event: string;
  readonly id: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into whatever JSON the server sends.
  readonly data: any;
}

/** A client of a stream, on a socket of its own. A test can pause its reading. */
export class SseClient {
  readonly response: IncomingMessage;
  readonly retries: number[] = [];
  /** Everything received, as text. */
  raw = "";
  readonly #request: ClientRequest;
  readonly #events = new Mailbox<ReceivedEvent>();
  readonly #ended = Promise.withResolvers<"ended" | "cut off">();

  static async connect(url: URL, headers: Record<string, string> = {}): Promise<SseClient> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const req = request(url, { headers, agent: false }, resolve);
    req.on("error", reject);
    req.end();
    onEnd(() => void req.destroy());
    return new SseClient(url, req, await within(`an answer from ${url.pathname}`, promise));
  }

  private constructor(url: URL, request: ClientRequest, response: IncomingMessage) {
    this.#request = request;
    this.response = response;
    request.on("error", () => this.#ended.resolve("cut off"));
    const answer = { method: "GET", url, status: this.status, header: headerOf(response) };
    checkHead(answer);
    const parser = createParser({
      onEvent: ({ event, id, data }) => {
        checkEvent(answer, { event, id, data });
        this.#events.put({ event: event ?? "message", id, data: JSON.parse(data) });
      },
      onRetry: (ms) => this.retries.push(ms),
    });
    const body = decoded(response).setEncoding("utf8");
    body.on("data", (text: string) => {
      this.raw += text;
      parser.feed(text);
    });
    response.on("end", () => this.#ended.resolve("ended"));
    response.on("close", () => this.#ended.resolve(response.complete ? "ended" : "cut off"));
  }

  get status(): number {
    return this.response.statusCode ?? 0;
  }

  /** Events that have arrived and were not taken. */
  get waiting(): readonly ReceivedEvent[] {
    return this.#events.waiting;
  }

  next(what = "the next event", ms?: number): Promise<ReceivedEvent> {
    return this.#events.take(what, ms);
  }

  /** The next event that is no heartbeat. */
  async nextState(ms?: number): Promise<ReceivedEvent> {
    for (;;) {
      const event = await this.next("the next event that is no heartbeat", ms);
      if (event.event !== "heartbeat") return event;
    }
  }

  /** All events up to and with the `bye`. */
  async untilBye(ms?: number): Promise<ReceivedEvent[]> {
    const events: ReceivedEvent[] = [];
    for (;;) {
      const event = await this.nextState(ms);
      events.push(event);
      if (event.event === "bye") return events;
    }
  }

  /** Whether the stream ended cleanly or was cut off, once it is over. */
  ended(ms?: number): Promise<"ended" | "cut off"> {
    return within("the end of the stream", this.#ended.promise, ms);
  }

  /** Stops reading, so that the server's data piles up. */
  pause(): void {
    this.response.pause();
  }

  resume(): void {
    this.response.resume();
  }

  /** Leaves without a word. */
  destroy(): void {
    this.#request.destroy();
  }
}

function headerOf({ headers }: IncomingMessage): (name: string) => string | undefined {
  return (name) => [headers[name]].flat()[0];
}

/** The body as it was before a proxy compressed it. Half a stream is no error: it was cut off. */
function decoded(response: IncomingMessage): Readable {
  if (response.headers["content-encoding"] !== "gzip") return response;
  return response
    .pipe(createGunzip({ flush: constants.Z_SYNC_FLUSH }))
    .on("error", () => undefined);
}
