import { connect, type Socket } from "node:net";
import { eventually, within } from "../../helpers/deadline.ts";
import { onEnd } from "../../helpers/lifetime.ts";

/** A client that sends bytes rather than requests. */
export class RawConnection {
  readonly #socket: Socket;
  readonly #closed = Promise.withResolvers<void>();
  /** Everything received so far. */
  received = "";

  static async open(url: URL): Promise<RawConnection> {
    const socket = connect(Number(url.port), url.hostname);
    onEnd(() => void socket.destroy());
    const opened = new Promise<void>((resolve) => socket.once("connect", resolve));
    const connection = new RawConnection(socket);
    await within(`a connection to ${url.host}`, opened);
    return connection;
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      this.received += text;
    });
    // A server that refuses the rest of a request may reset the connection.
    socket.on("error", () => undefined);
    socket.on("close", () => this.#closed.resolve());
  }

  send(bytes: string | Buffer): this {
    this.#socket.write(bytes);
    return this;
  }

  /** Waits until what was received matches, and returns it. */
  async until(pattern: RegExp, ms?: number): Promise<string> {
    await eventually(`${pattern} in an answer`, () => pattern.test(this.received), ms);
    return this.received;
  }

  /** Everything received until the server closed the connection. */
  async untilClosed(ms?: number): Promise<string> {
    await within("the server to close the connection", this.#closed.promise, ms);
    return this.received;
  }

  /** Ends the client's side; the server may still send. */
  end(): void {
    this.#socket.end();
  }

  close(): void {
    this.#socket.destroy();
  }
}

/** Sends `bytes` on a connection of their own and returns all that is answered until its end. */
export async function exchange(url: URL, bytes: string | Buffer): Promise<string> {
  return (await RawConnection.open(url)).send(bytes).untilClosed();
}

/** Head and body of an answer with a content-length. */
export function splitAnswer(answer: string): { readonly head: string; readonly body: string } {
  const end = answer.indexOf("\r\n\r\n");
  return { head: answer.slice(0, end), body: answer.slice(end + 4) };
}
