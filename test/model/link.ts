import { type IncomingMessage, request } from "node:http";
import { createParser } from "eventsource-parser";
import { WebSocket } from "ws";

// biome-ignore lint/suspicious/noExplicitAny: whatever JSON the server sends.
export type Data = Record<string, any>;

/** What a connection reports, until it is closed. */
export interface LinkHandlers {
  /** An event of a stream, or a message of a WebSocket. */
  onMessage(type: string, data: Data, id: string | undefined): void;
  /** It ended although neither side ended it in order. */
  onFault(what: string): void;
}

export interface SseHandlers extends LinkHandlers {
  /** The head of the answer has arrived. */
  onStatus(status: number): void;
}

export interface SocketHandlers extends LinkHandlers {
  onOpen(): void;
}

/** A connection to a replica. */
export interface Link {
  /** Reports nothing from now on. */
  close(): void;
  /** Stops or resumes reading. */
  stall(stalled: boolean): void;
}

export interface SocketLink extends Link {
  /** Whether messages can be sent. */
  readonly isOpen: boolean;
  send(message: Data): void;
}

export function openSse(url: URL, lastId: string | undefined, on: SseHandlers): Link {
  const headers = lastId === undefined ? {} : { "last-event-id": lastId };
  let response: IncomingMessage | undefined;
  let isClosed = false;
  const sent = request(url, { headers, agent: false }, (answer) => {
    if (isClosed) return;
    response = answer;
    on.onStatus(answer.statusCode ?? 0);
    if (answer.statusCode === 200) listen(answer);
    else answer.resume();
  });
  const fault = (what: string) => {
    if (!isClosed) on.onFault(what);
  };
  const listen = (stream: IncomingMessage) => {
    const parser = createParser({
      onEvent: ({ id, event = "message", data }) => {
        if (!isClosed) on.onMessage(event, JSON.parse(data), id);
      },
    });
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => parser.feed(text));
    stream.on("error", () => undefined);
    stream.on("close", () => fault("the stream ended without bye"));
  };
  sent.on("error", (error) => fault(`the request failed: ${error.message}`));
  sent.end();
  return {
    close() {
      isClosed = true;
      sent.destroy();
    },
    stall(stalled) {
      if (stalled) response?.pause();
      else response?.resume();
    },
  };
}

export function openSocket(replica: URL, on: SocketHandlers): SocketLink {
  const url = new URL("/api/ws", replica);
  url.protocol = "ws:";
  const socket = new WebSocket(url, "dts-push.v1");
  let isClosed = false;
  const report = (what: () => void) => {
    if (!isClosed) what();
  };
  socket.on("open", () => report(() => on.onOpen()));
  socket.on("message", (text) =>
    report(() => {
      const { type, ...data } = JSON.parse(String(text));
      on.onMessage(type, data, undefined);
    }),
  );
  socket.on("error", ({ message }) => report(() => on.onFault(`connection error: ${message}`)));
  socket.on("close", (code) => report(() => on.onFault(`closed without bye: ${code}`)));
  return {
    get isOpen() {
      return socket.readyState === WebSocket.OPEN;
    },
    close() {
      isClosed = true;
      socket.terminate();
    },
    stall(stalled) {
      if (socket.readyState !== WebSocket.OPEN) return;
      if (stalled) socket.pause();
      else socket.resume();
    },
    send: (message) => socket.send(JSON.stringify(message)),
  };
}
