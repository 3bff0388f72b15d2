import { expect, expectEqual, Failure, show } from "./expect.ts";
import type { Message } from "./wire.ts";

const SUBPROTOCOL = "dts-push.v1";

/** A WebSocket whose frames wait to be taken. */
export class Socket {
  readonly #socket: WebSocket;
  readonly #waitFor: (what: string) => void;
  readonly #frames: Message[] = [];
  readonly #closed = Promise.withResolvers<number>();
  /** Why no frame follows. */
  #failure: Error | undefined;
  #wake = Promise.withResolvers<void>();

  /** @throws Failure if it is refused, or the server chooses no subprotocol */
  static async open(
    url: URL,
    signal: AbortSignal,
    waitFor: (what: string) => void,
  ): Promise<Socket> {
    const webSocket = new WebSocket(url, SUBPROTOCOL);
    const socket = new Socket(webSocket, waitFor);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    webSocket.addEventListener("open", () => resolve());
    webSocket.addEventListener("error", () => reject(new Failure("the handshake is refused")));
    signal.addEventListener("abort", () => {
      socket.#end(signal.reason);
      reject(signal.reason);
      webSocket.close();
    });
    await promise;
    expectEqual("subprotocol", webSocket.protocol, SUBPROTOCOL);
    return socket;
  }

  private constructor(socket: WebSocket, waitFor: (what: string) => void) {
    this.#socket = socket;
    this.#waitFor = waitFor;
    socket.addEventListener("message", ({ data }) => this.#receive(data));
    socket.addEventListener("close", ({ code }) => {
      this.#closed.resolve(code);
      this.#end(new Failure(`the connection was closed with ${code}`));
    });
    this.#closed.promise.catch(() => undefined);
  }

  /** @param frame text is sent as it is */
  send(frame: object | string): void {
    this.#socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  /** The next frame that is neither a heartbeat of the connection nor the answer to an `auth`. */
  async next(what: string): Promise<Message> {
    this.#waitFor(what);
    for (;;) {
      const frame = this.#frames.shift();
      if (!frame) {
        if (this.#failure) throw this.#failure;
        await this.#wake.promise;
      } else if (!isAside(frame)) return frame;
    }
  }

  /** Takes the next frame, which has these values. */
  async expect(what: string, values: Readonly<Record<string, unknown>>): Promise<Message> {
    const frame = await this.next(what);
    const found = Object.fromEntries(Object.keys(values).map((key) => [key, frame[key]]));
    expectEqual(what, found, values);
    return frame;
  }

  /** Takes every frame up to the `unsubscribed` of this `sub`, and that as the last one. */
  async untilUnsubscribed(sub: string, reason: string): Promise<Message[]> {
    const frames: Message[] = [];
    for (;;) {
      const frame = await this.next(`unsubscribed ${reason}`);
      frames.push(frame);
      if (frame.type !== "unsubscribed") continue;
      expectEqual("sub and reason of unsubscribed", [frame.sub, frame.reason], [sub, reason]);
      return frames;
    }
  }

  /** Shows that the connection still serves, and that nothing else was sent before. */
  async ping(): Promise<void> {
    this.send({ type: "ping" });
    await this.expect("pong", { type: "pong" });
  }

  async closed(code: number): Promise<void> {
    this.#waitFor(`close code ${code}`);
    expectEqual("close code", await this.#closed.promise, code);
  }

  #receive(data: unknown): void {
    try {
      expect(typeof data === "string", "a frame is binary");
      const frame = JSON.parse(data);
      expect(typeof frame?.type === "string", `a frame has no type: ${show(frame)}`);
      this.#frames.push(frame);
      this.#awake();
    } catch (error) {
      this.#end(error as Error);
    }
  }

  #end(failure: Error): void {
    this.#failure ??= failure;
    this.#closed.reject(failure);
    this.#awake();
  }

  #awake(): void {
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }
}

function isAside({ type, sub }: Message): boolean {
  return type === "authenticated" || (type === "heartbeat" && sub === undefined);
}
