import { expect, expectEqual, Failure, show } from "./expect.ts";
import type { Message } from "./wire.ts";

export interface StreamEvent extends Message {
  /** The SSE `id`. */
  readonly id: string | undefined;
}

/** Names that an EventSource gives events of its own. */
const RESERVED: readonly string[] = ["message", "error", "open"];

/** A stream of server-sent events, which is held to what section 4 of PROTOCOL.md says of every one. */
export class EventStream {
  readonly headers: Headers;
  readonly #events: AsyncGenerator<StreamEvent, void>;
  readonly #waitFor: (what: string) => void;

  constructor(body: AsyncIterable<Uint8Array>, headers: Headers, waitFor: (what: string) => void) {
    this.headers = headers;
    this.#events = checked(body);
    this.#waitFor = waitFor;
  }

  async next(what: string): Promise<StreamEvent> {
    this.#waitFor(what);
    const { value } = await this.#events.next();
    expect(value, `the stream ended instead of ${what}`);
    return value;
  }

  /** The next event that fits. Others before it are passed over. */
  async find(what: string, fits: (event: StreamEvent) => boolean): Promise<StreamEvent> {
    for (;;) {
      const event = await this.next(what);
      if (fits(event)) return event;
      expect(event.type !== "bye", `bye ${event.reason} instead of ${what}`);
    }
  }

  /** Every event up to the end of the stream, which comes behind this `bye`. */
  async untilBye(reason: string): Promise<StreamEvent[]> {
    this.#waitFor(`bye ${reason} and the end of the stream`);
    const events: StreamEvent[] = [];
    for await (const event of this.#events) events.push(event);
    expectEqual("reason of the bye", events.at(-1)?.reason, reason);
    return events;
  }
}

/** @throws Failure if the stream breaks a rule, or ends without a `bye` */
async function* checked(body: AsyncIterable<Uint8Array>): AsyncGenerator<StreamEvent, void> {
  let last: StreamEvent | undefined;
  for await (const event of eventsOf(body)) {
    expect(last?.type !== "bye", `${event.type} came after the bye`);
    const isFirst = last === undefined;
    expectEqual(`resumed on ${event.type}`, typeof event.resumed === "boolean", isFirst);
    if (event.type === "bye") expectBye(event);
    last = event;
    yield event;
  }
  expect(last?.type === "bye", "the stream ended without a bye");
}

function expectBye({ reconnect, retry_ms }: StreamEvent): void {
  expect(typeof reconnect === "boolean", `reconnect is ${show(reconnect)}`);
  expect(Number.isInteger(retry_ms), `retry_ms is ${show(retry_ms)}`);
}

/** @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation */
async function* eventsOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<StreamEvent, void> {
  let [event, data, id] = ["", [] as string[], undefined as string | undefined];
  let retried = false;
  for await (const line of linesOf(body)) {
    const [, field, value = ""] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
    if (line === "") {
      if (data.length > 0) {
        expect(retried, "no retry came before the first event");
        yield toEvent(event, data.join("\n"), id);
      }
      [event, data, id] = ["", [], undefined];
    } else if (field === "event") event = value;
    else if (field === "data") data.push(value);
    else if (field === "id") id = value;
    else if (field === "retry") {
      expect(/^\d+$/.test(value), `retry is ${show(value)}`);
      retried = true;
    }
  }
  expect(data.length === 0 && event === "", "the stream ended within an event");
}

function toEvent(event: string, data: string, id: string | undefined): StreamEvent {
  expect(event !== "" && !RESERVED.includes(event), `an event is named ${show(event)}`);
  const message = parse(data);
  expectEqual("type in the data of an event", message.type, event);
  return { ...message, id };
}

function parse(data: string): Message {
  try {
    return JSON.parse(data);
  } catch {
    throw new Failure(`the data of an event is no JSON: ${show(data)}`);
  }
}

async function* linesOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<string, void> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let rest = "";
  for await (const chunk of body) {
    // A CR at the end of a chunk may be half of a CRLF.
    const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
