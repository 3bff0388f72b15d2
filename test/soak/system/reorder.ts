/**
 * An HTTP/2 proxy in which calls and answers overtake each other, as they do behind a gateway with several backends:
 * each call, and each message of it, is passed on so much later. Within a call everything keeps its order.
 *
 * A call that is cancelled is not cancelled on the other side, which gives it up with the connection: resets sent here
 * have kept Node.js 24 in an endless loop (`Http2Session::SendPendingData`).
 *
 * TCP hides from a program that packets were reordered; it sees them late (`Relay.slow`).
 */
import {
  type ClientHttp2Stream,
  connect,
  constants,
  createServer,
  type Http2Session,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { Lane } from "./lane.ts";

type Stream = ServerHttp2Stream | ClientHttp2Stream;

export class Reorder {
  readonly #server = createServer();
  readonly #sessions = new Set<Http2Session>();
  readonly #drawDelayMs: () => number;

  /** Listens on a free port of loopback, and passes every call on to another one. */
  static async start(targetPort: number, drawDelayMs: () => number): Promise<Reorder> {
    const reorder = new Reorder(targetPort, drawDelayMs);
    const { promise, resolve } = Promise.withResolvers<void>();
    reorder.#server.listen(0, "127.0.0.1", resolve);
    await promise;
    return reorder;
  }

  private constructor(targetPort: number, drawDelayMs: () => number) {
    this.#drawDelayMs = drawDelayMs;
    this.#server.on("session", (near) => this.#accept(near, targetPort));
    this.#server.on("sessionError", () => undefined); // `close` follows.
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Cuts all connections. */
  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const each of this.#sessions) each.destroy();
    await closed;
  }

  #accept(near: ServerHttp2Session, targetPort: number): void {
    const far = connect(`http://127.0.0.1:${targetPort}`);
    for (const [session, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sessions.add(session);
      session.on("error", () => undefined); // `close` follows.
      session.on("close", () => {
        this.#sessions.delete(session);
        other.destroy();
      });
    }
    near.on("stream", (call, headers) => {
      call.on("error", () => undefined);
      const there = new Lane();
      const { ":authority": _, ...sent } = headers;
      there.pass(this.#drawDelayMs(), () => {
        if (call.destroyed || far.destroyed) return;
        const answer = far.request(sent, { endStream: false });
        answer.on("error", () => undefined);
        this.#pass(call, answer, there);
        this.#answer(answer, call);
      });
    });
  }

  #answer(answer: ClientHttp2Stream, call: ServerHttp2Stream): void {
    const back = new Lane();
    let trailers = {};
    answer.on("response", ({ ":status": status, ...headers }, flags) => {
      const isAll = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
      back.pass(this.#drawDelayMs(), () => {
        if (call.destroyed) return;
        call.respond(
          { ":status": status, ...headers },
          { endStream: isAll, waitForTrailers: !isAll },
        );
      });
    });
    answer.on("trailers", (received) => {
      trailers = received;
    });
    call.on("wantTrailers", () => call.sendTrailers(trailers));
    this.#pass(answer, call, back);
  }

  #pass(from: Stream, to: Stream, lane: Lane): void {
    from.on("data", (data) =>
      lane.pass(this.#drawDelayMs(), () => {
        if (!to.destroyed && !to.writableEnded) to.write(data);
      }),
    );
    from.on("end", () => lane.pass(0, () => to.end()));
  }
}
