import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { AppProcess } from "../helpers/process.ts";
import { startOperation } from "./support.ts";

const STREAMS = 5000;
const GRACE_MS = 10_000;
/** So many connect at a time, fewer than a listening socket queues. */
const AT_ONCE = 200;

/** A client of a stream, reduced to what a test of thousands can afford. */
class Stream {
  readonly socket: Socket;
  received = "";
  ended = false;

  static async open(url: URL): Promise<Stream> {
    const socket = connect(Number(url.port), url.hostname);
    onTestFinished(() => void socket.destroy());
    await once(socket, "connect");
    return new Stream(socket, url);
  }

  private constructor(socket: Socket, { pathname, host }: URL) {
    this.socket = socket;
    socket.setEncoding("utf8");
    socket.on("data", (text: string) => {
      this.received += text;
    });
    socket.on("end", () => {
      this.ended = true;
    });
    socket.on("error", () => undefined);
    socket.write(`GET ${pathname} HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
  }

  get drain(): { retry_ms: number } | undefined {
    const [, data] = /data: (\{"type":"bye".*\})/.exec(this.received) ?? [];
    return data?.includes('"drain"') ? JSON.parse(data) : undefined;
  }
}

test("a process with 5,000 open streams drains each and ends within the grace period", async () => {
  const app = AppProcess.start(["all"], { GRACE_MS: String(GRACE_MS) });
  const url = await app.url();
  const id = await startOperation(url, { processing_time: 3600, steps: 1 });
  const events = new URL(`/api/operations/${id}/events`, url);
  const streams: Stream[] = [];
  while (streams.length < STREAMS) {
    const more = Array.from({ length: AT_ONCE }, () => Stream.open(events));
    streams.push(...(await Promise.all(more)));
  }
  await eventually("all snapshots", () =>
    streams.every(({ received }) => received.includes("snapshot")),
  );
  // A few do not take what they are sent.
  for (const { socket } of streams.slice(0, 10)) socket.pause();

  expect(await app.kill("SIGTERM", GRACE_MS)).toEqual({ code: 0, signal: null });
  for (const { socket } of streams.slice(0, 10)) socket.resume();
  await eventually("all ends", () => streams.every(({ ended }) => ended));
  const retries = streams.map(({ drain }) => drain?.retry_ms ?? Number.NaN);
  expect(retries.filter(Number.isNaN)).toEqual([]);
  // Spread over the grace period: no tenth of it sees more than twice its share.
  const inTenth = (tenth: number) =>
    retries.filter((ms) => Math.floor(ms / (GRACE_MS / 10)) === tenth).length;
  const tenths = Array.from({ length: 11 }, (_, tenth) => inTenth(tenth));
  expect(Math.max(...tenths)).toBeLessThan((STREAMS / 10) * 2);
  expect(app.stderr).toBe("");
});
