import type { Message } from "../../../client/wire.ts";

export interface StreamEvent {
  readonly id: string;
  readonly event: string;
  readonly data: Message;
}

/** A stream of server-sent events that has ended. */
export interface EventStream {
  readonly status: number;
  readonly headers: Headers;
  readonly events: readonly StreamEvent[];
  /** Values of `retry:`, in milliseconds. */
  readonly retries: readonly number[];
}

/** The events of a stream's whole text. @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation */
export function parseStream(text: string): Pick<EventStream, "events" | "retries"> {
  const events: StreamEvent[] = [];
  const retries: number[] = [];
  let [id, event, data] = ["", "", ""];
  for (const line of text.split(/\r\n|\r|\n/)) {
    const [, field, value = ""] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
    if (line === "") {
      if (data !== "") events.push({ id, event, data: JSON.parse(data) });
      [event, data] = ["", ""];
    } else if (field === "id") id = value;
    else if (field === "event") event = value;
    else if (field === "data") data += value;
    else if (field === "retry") retries.push(Number(value));
  }
  return { events, retries };
}
