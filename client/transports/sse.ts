import type { Http, Parse } from "../http.ts";
import { type Place, type Source, streamOf } from "../source.ts";
import type { Message } from "../wire.ts";

/**
 * One stream of server-sent events.
 * @param waitS a long-poll: the server ends the stream as soon as it has sent something, or after this time, so
 *   that it passes proxies that buffer a response until its end
 */
export async function* overSse(
  http: Http,
  source: Source,
  place: Place,
  signal: AbortSignal,
  waitS?: number,
): AsyncGenerator<Message, void> {
  const { path, query } = streamOf(source, place);
  const url = http.urlOf(path, { ...query, wait: waitS });
  const response = await http.request(url, {
    headers: { accept: "text/event-stream" },
    cache: "no-store",
    signal,
  });
  // The client has the terminal state.
  if (response.status === 204) yield { type: "bye", reason: "terminal", reconnect: false };
  else if (response.body) yield* messagesOf(response.body, http.parse);
}

/** Lines of an event stream, as messages. @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation */
async function* messagesOf(
  body: ReadableStream<Uint8Array>,
  parse: Parse,
): AsyncGenerator<Message, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let [rest, id, data] = ["", "", ""];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      // Bytes show that the connection works, also those of a comment, or the first of a large event.
      yield { type: "bytes" };
      const lines = (rest + decoder.decode(value, { stream: true })).split(/\r?\n/);
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const [, field, text = ""] = /^([^:]*)(?:: ?(.*))?$/.exec(line) ?? [];
        if (line === "" && data !== "") {
          yield { ...(parse(data) as Message), id };
          data = "";
        } else if (field === "data") data += text;
        else if (field === "retry") yield { type: "bytes", retry_ms: Number(text) };
        else if (field === "id") id = text;
      }
    }
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
