import type { Http } from "../http.ts";
import { ProblemError } from "../problem.ts";
import { within } from "../retry.ts";
import type { Place, Source } from "../source.ts";
import type { Message } from "../wire.ts";
import { Queue } from "./queue.ts";

/** Subscriptions of one connection. @see PROTOCOL.md, section 8 */
const MOST_SUBSCRIPTIONS = 200;
const OPEN_WITHIN_MS = 10_000;

type Frame = Message & { readonly sub?: string; readonly cursor?: string };

/** One connection, and the queues of its subscriptions. */
interface Socket {
  readonly socket: WebSocket;
  readonly queues: Map<string, Queue<Frame>>;
  /** Settles when subscriptions can be sent, with the token that was. */
  readonly opened: Promise<string | undefined>;
}

/** The WebSockets of one client: sources share them. @see PROTOCOL.md, section 5 */
export class WebSockets {
  readonly #http: Http;
  readonly #open = new Set<Socket>();
  #names = 0;

  constructor(http: Http) {
    this.#http = http;
  }

  /** Sources that come from now on get a new connection: the present ones seem dead. */
  retire(): void {
    this.#open.clear();
  }

  async *follow(source: Source, place: Place, signal: AbortSignal): AsyncGenerator<Message, void> {
    const subscriptions = subscriptionsOf(source, place);
    const connection = this.#withRoomFor(subscriptions.length);
    const { socket, queues } = connection;
    const queue = new Queue<Frame>();
    const open = new Set<string>();
    for (const _ of subscriptions) {
      const sub = String(++this.#names);
      open.add(sub);
      queues.set(sub, queue);
    }
    const onAbort = () => queue.end();
    signal.addEventListener("abort", onAbort);
    try {
      const token = await within(connection.opened, OPEN_WITHIN_MS, signal);
      const subs = [...open];
      subscriptions.forEach((wanted, index) => {
        socket.send(JSON.stringify({ type: "subscribe", sub: subs[index], ...wanted }));
      });
      for await (const frame of queue) {
        const { sub = "", cursor: id, ...message } = frame;
        const { type, problem, reason } = message;
        const isExpired = reason === "auth_expired" || (!sub && problem?.status === 401);
        const hasOther = isExpired && this.#http.renew(token);
        // Of several operations, some may not exist.
        const isMissing = problem?.status === 404 && source.kind === "operations";
        if (problem && problem.status >= 400 && problem.status < 500 && !isMissing) {
          if (hasOther) throw new Error("The token is renewed.");
          throw new ProblemError(problem);
        }
        if (type !== "unsubscribed") {
          yield { ...message, id };
          continue;
        }
        queues.delete(sub);
        open.delete(sub);
        if (open.size === 0) {
          // Subscribed again, it is refused with a problem.
          const reconnect = reason === "forbidden";
          yield { type: "bye", reason: reason ?? "terminal", reconnect, retry_ms: 0 };
          return;
        }
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      for (const sub of open) {
        queues.delete(sub);
        if (socket.readyState === WebSocket.OPEN) {
          socket.send(JSON.stringify({ type: "unsubscribe", sub }));
        }
      }
      if (queues.size === 0) {
        this.#open.delete(connection);
        socket.close(1000);
      }
    }
  }

  #withRoomFor(count: number): Socket {
    for (const connection of this.#open) {
      if (connection.queues.size + count <= MOST_SUBSCRIPTIONS) return connection;
    }
    const url = this.#http.urlOf("api/ws");
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, "dts-push.v1");
    const queues = new Map<string, Queue<Frame>>();
    const opened = this.#authenticate(socket);
    opened.catch(() => undefined);
    const connection = { socket, queues, opened };
    this.#open.add(connection);
    socket.onmessage = ({ data }) => {
      const frame = this.#http.parse(data as string) as Frame;
      const named = frame.sub && queues.get(frame.sub);
      // What names no subscription is about the connection, and with it about each of them.
      const to = frame.sub ? [named] : new Set(queues.values());
      for (const queue of to) if (queue) queue.push(frame);
      if (frame.type === "bye") this.#open.delete(connection);
    };
    socket.onclose = () => {
      this.#open.delete(connection);
      for (const queue of queues.values()) queue.end();
    };
    return connection;
  }

  /** A browser cannot send a credential with the handshake, so it is the first message. */
  async #authenticate(socket: WebSocket): Promise<string | undefined> {
    const opened = new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => resolve());
      socket.addEventListener("close", () => reject(new TypeError("no WebSocket")));
    });
    const [token] = await Promise.all([this.#http.token(), opened]);
    if (token) socket.send(JSON.stringify({ type: "auth", token }));
    return token;
  }
}

function subscriptionsOf(source: Source, { after, cursors }: Place): object[] {
  switch (source.kind) {
    case "operation":
      return [{ operation_id: source.id, after }];
    case "steps": {
      const include = source.payloads ? "payloads" : undefined;
      return [{ operation_id: source.id, detail: "steps", include, after }];
    }
    case "operations":
      return source.ids.map((id) => ({ operation_id: id, after: cursors.get(id) }));
    case "feed":
      return [{ feed: source.filter, after }];
  }
}
