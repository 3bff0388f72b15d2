import type { Message } from "../../../client/wire.ts";
import { BrokenPromiseError, mustBe } from "./check.ts";

export type Frame = Message & { readonly sub?: string; readonly cursor?: string };

/** Frames that were received and not taken. More are a fault of the server: what is checked is small. */
const MOST_FRAMES = 10_000;

/** A WebSocket whose frames are taken one by one. */
export class Socket {
  readonly #socket: WebSocket;
  readonly #withinMs: number;
  readonly #frames: Frame[] = [];
  #closedWith: number | undefined;
  #wake = () => {};

  static async open(url: URL, withinMs: number): Promise<Socket> {
    const socket = new WebSocket(url, "dts-push.v1");
    const opened = new Socket(socket, withinMs);
    await opened.#until(() => socket.readyState === WebSocket.OPEN, "an open WebSocket");
    mustBe("the subprotocol", socket.protocol, "dts-push.v1");
    return opened;
  }

  private constructor(socket: WebSocket, withinMs: number) {
    this.#socket = socket;
    this.#withinMs = withinMs;
    socket.onopen = () => this.#wake();
    socket.onmessage = ({ data }) => {
      if (this.#frames.length >= MOST_FRAMES) return socket.close(1000);
      this.#frames.push(JSON.parse(data as string));
      this.#wake();
    };
    socket.onclose = ({ code }) => {
      this.#closedWith = code;
      this.#wake();
    };
  }

  send(message: object | string): void {
    this.#socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  /** The next frame, which must be of this type; heartbeats are left out. */
  async next(type?: string): Promise<Frame> {
    for (;;) {
      await this.#until(() => this.#frames.length > 0, `a frame${type ? ` "${type}"` : ""}`);
      const frame = this.#frames.shift() as Frame;
      if (frame.type === "heartbeat") continue;
      if (type !== undefined) mustBe("the next frame", frame.type, type);
      return frame;
    }
  }

  /** The frames of a subscription to its `unsubscribed`. */
  async rest(): Promise<Frame[]> {
    const frames: Frame[] = [];
    while (frames.at(-1)?.type !== "unsubscribed") frames.push(await this.next());
    return frames;
  }

  /** The close code that the server sends. */
  async closed(): Promise<number> {
    await this.#until(() => this.#closedWith !== undefined, "a close code");
    return this.#closedWith as number;
  }

  close(): void {
    this.#socket.close(1000);
  }

  async #until(isThere: () => boolean, what: string): Promise<void> {
    const lateAt = performance.now() + this.#withinMs;
    while (!isThere()) {
      if (this.#closedWith !== undefined) {
        throw new BrokenPromiseError(`there is no ${what}: it was closed with ${this.#closedWith}`);
      }
      const leftMs = lateAt - performance.now();
      if (leftMs <= 0) throw new BrokenPromiseError(`${what} did not come in time`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
