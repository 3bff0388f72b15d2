/** Turns the text of an event stream into events, by the rules of the HTML standard.
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation */
export class SseParser {
  /** The `id` of the last whole event: where to resume. Half an event, left by a broken connection, does not count. */
  lastEventId;
  /** The last `retry`, in milliseconds. */
  retryMs;

  #rest = "";
  #id;
  #type = "";
  #data = [];

  constructor(lastEventId = "") {
    this.lastEventId = this.#id = lastEventId;
  }

  /** Takes text as it arrives, cut anywhere, and yields each event that is now complete as `{ type, data }`. */
  *push(text) {
    // A CR at the end may be half of a CRLF: it waits for what follows.
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line === "") yield* this.#dispatch();
      else this.#takeField(line);
    }
  }

  #takeField(line) {
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#data.push(value);
    else if (name === "event") this.#type = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.retryMs = Number(value);
  }

  *#dispatch() {
    this.lastEventId = this.#id;
    if (this.#data.length > 0) yield { type: this.#type || "message", data: this.#data.join("\n") };
    this.#type = "";
    this.#data = [];
  }
}
