/** A TCP relay between two programs, whose connections can be cut, refused and slowed. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { Lane } from "./lane.ts";

interface Pair {
  readonly near: Socket;
  readonly far: Socket;
  /** Bytes, in either direction, after which it is cut. */
  bytesLeft: number;
}

export class Relay {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  readonly #lane = new Lane();
  readonly #targetPort: number;
  #detourPort: number | undefined;
  #delayMs = 0;
  #refuses = false;
  #drawBytes: () => number = () => Number.POSITIVE_INFINITY;
  /** Connections that it has cut. */
  cuts = 0;

  /** Listens on a free port of loopback, and passes everything on to another one. */
  static async start(targetPort: number): Promise<Relay> {
    const relay = new Relay(targetPort);
    const { promise, resolve } = Promise.withResolvers<void>();
    relay.#server.listen(0, "127.0.0.1", resolve);
    await promise;
    return relay;
  }

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#server = createServer((near) => this.#accept(near));
  }

  /** Where everything goes. */
  get targetPort(): number {
    return this.#targetPort;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** From now on a new connection is cut after so many bytes, in the middle of whatever it carries. */
  cutAfter(drawBytes: () => number): void {
    this.#drawBytes = drawBytes;
  }

  /** Cuts all connections, and accepts none until `restore`. */
  cut(): void {
    this.#refuses = true;
    for (const pair of [...this.#pairs]) this.#cut(pair);
  }

  /** Whatever is received from now on is passed on so much later. */
  slow(ms: number): void {
    this.#delayMs = ms;
  }

  /** Cuts all connections; new ones lead to another port, whose server ends them after `restore`. */
  detour(port: number): void {
    this.#detourPort = port;
    for (const pair of [...this.#pairs]) this.#cut(pair);
  }

  /** Passes everything on as it comes. */
  restore(): void {
    this.#refuses = false;
    this.#delayMs = 0;
    this.#detourPort = undefined;
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(near: Socket): void {
    if (this.#refuses) {
      near.destroy();
      return;
    }
    const port = this.#detourPort ?? this.#targetPort;
    const far = connect({ port, host: "127.0.0.1", noDelay: true });
    near.setNoDelay();
    const pair: Pair = { near, far, bytesLeft: this.#drawBytes() };
    this.#pairs.add(pair);
    this.#pass(pair, near, far);
    this.#pass(pair, far, near);
  }

  #pass(pair: Pair, from: Socket, to: Socket): void {
    from.on("data", (data) => {
      const passed = data.subarray(0, Math.min(data.length, pair.bytesLeft));
      pair.bytesLeft -= passed.length;
      this.#inOrder(() => {
        if (!to.destroyed && !to.writableEnded && !to.write(passed)) from.pause();
      });
      if (pair.bytesLeft <= 0) this.#cut(pair);
    });
    to.on("drain", () => from.resume());
    from.on("end", () => this.#inOrder(() => to.end()));
    from.on("error", () => undefined); // `close` follows.
    from.on("close", () => {
      this.#pairs.delete(pair);
      this.#inOrder(() => to.destroy());
    });
  }

  /** At once, or later while it is slow; nothing overtakes what is delayed. */
  #inOrder(act: () => void): void {
    this.#lane.pass(this.#delayMs, act);
  }

  #cut({ near, far }: Pair): void {
    this.cuts += 1;
    near.destroy();
    far.destroy();
  }
}
