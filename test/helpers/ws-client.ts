import { WebSocket } from "ws";
import { checkMessage } from "./contract/contract.ts";
import { within } from "./deadline.ts";
import { onEnd } from "./lifetime.ts";
import { Mailbox } from "./mailbox.ts";

// biome-ignore lint/suspicious/noExplicitAny: tests look into whatever JSON the server sends.
export type Message = Record<string, any>;

/** A WebSocket client that keeps what arrives until it is asked for. */
export class WsClient {
  readonly socket: WebSocket;
  readonly #messages = new Mailbox<Message>();
  readonly #closed = Promise.withResolvers<{ code: number; reason: string }>();

  static async connect(
    base: URL,
    path = "/api/ws",
    protocols = ["dts-push.v1"],
    headers: Record<string, string> = {},
  ): Promise<WsClient> {
    const url = new URL(path, base);
    url.protocol = "ws:";
    const client = new WsClient(new WebSocket(url, protocols, { headers }));
    onEnd(() => client.socket.terminate());
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    client.socket.once("open", resolve);
    client.socket.once("error", reject);
    await within("the WebSocket to open", promise);
    return client;
  }

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data) => {
      checkMessage(String(data));
      this.#messages.put(JSON.parse(String(data)) as Message);
    });
    socket.on("error", () => undefined);
    socket.on("close", (code, reason) => this.#closed.resolve({ code, reason: String(reason) }));
  }

  get waiting(): readonly Message[] {
    return this.#messages.waiting;
  }

  send(message: unknown): void {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  next(what = "the next message", ms?: number): Promise<Message> {
    return this.#messages.take(what, ms);
  }

  /** The next message of this type; those before it are dropped. */
  async nextOf(type: string, ms?: number): Promise<Message> {
    for (;;) {
      const message = await this.next(`a message of type ${type}`, ms);
      if (message.type === type) return message;
    }
  }

  closed(ms?: number): Promise<{ code: number; reason: string }> {
    return within("the WebSocket to close", this.#closed.promise, ms);
  }
}
