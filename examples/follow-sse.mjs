/** Follows a stream of server-sent events to its end, over as many connections as that takes. Streams of one operation, of
 * several and the feed differ only in the URL (PROTOCOL.md, 4).
 *
 * In a browser `EventSource` does most of this. It does not detect a dead connection, and never reconnects after any status
 * but 200. */

import { considerRefusal, Reconnect, Watchdog } from "./reconnect.mjs";
import { SseParser } from "./sse-parser.mjs";

/** Resolves when the server says that nothing more will follow. `onDocument` gets each operation document, `onProblem` each
 * problem, with `operation_id` where it is about one operation.
 * @throws RefusedError if the server refuses the stream (404: no such operation), AbortError by `signal` */
export async function followOverSse(url, { onDocument, onProblem, signal }) {
  const position = { lastEventId: "" };
  const reconnect = new Reconnect();
  for (;;) {
    for await (const message of messagesOfOneConnection(url, position, reconnect, signal)) {
      if (message.type === "snapshot" || message.type === "update") onDocument(message.operation);
      if (message.type === "problem") onProblem(message);
      // `reconnect` decides, not the reason: so unknown reasons are handled too.
      if (message.type === "bye" && !message.reconnect) return;
    }
    // An end without such a bye: rotated, drained, too slow, or cut by the network or a proxy.
    await reconnect.pause(signal);
  }
}

/** Ends with the connection, whatever ended it. Keeps in `position` where the next one resumes. */
async function* messagesOfOneConnection(url, position, reconnect, signal) {
  const silence = new AbortController();
  const watchdog = new Watchdog(() => silence.abort());
  try {
    const response = await request(url, position, AbortSignal.any([signal, silence.signal]));
    if (response.status === 200) {
      yield* readMessages(response.body, position, reconnect, watchdog);
    } else if (response.status === 204) {
      yield { type: "bye", reconnect: false }; // an earlier connection has sent everything
    } else {
      await considerRefusal(response, reconnect);
    }
  } catch (error) {
    signal.throwIfAborted();
    const networkFault = error instanceof TypeError; // as fetch reports them
    if (!networkFault && !silence.signal.aborted) throw error;
  } finally {
    watchdog.stop();
  }
}

function request(url, { lastEventId }, signal) {
  const headers = { accept: "text/event-stream" };
  if (lastEventId !== "") headers["last-event-id"] = lastEventId;
  return fetch(url, { headers, signal, cache: "no-store" });
}

async function* readMessages(body, position, reconnect, watchdog) {
  const parser = new SseParser(position.lastEventId);
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    watchdog.received();
    for (const event of parser.push(text)) {
      const message = JSON.parse(event.data);
      watchdog.received(message);
      position.lastEventId = parser.lastEventId;
      if (event.type !== "bye") reconnect.succeeded(); // a server that only sends a bye has not served us
      yield message;
    }
    reconnect.advise(parser.retryMs); // the bye's `retry_ms` is the same number
  }
}
