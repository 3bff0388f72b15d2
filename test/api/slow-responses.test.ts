import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, expect, onTestFinished, test, vi } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { scheduled, started, turnStarted } from "../helpers/scheduler/history-entries.ts";
import { ScriptedHistories } from "../helpers/scheduler/scripted-histories.ts";
import { startTestApi } from "../helpers/stack.ts";

/** Several times what the kernel buffers of a loopback connection hold. */
const BODY_BYTES = 8_000_000;
const PAYLOAD_BYTES = 16_000;

afterEach(() => void vi.useRealTimers());

/** An API with a large document of "result" and a large history of "steps". Only its clock is ours. */
async function startLarge(): Promise<URL> {
  const scheduler = await ScriptedHistories.start();
  const payload = JSON.stringify("x".repeat(PAYLOAD_BYTES));
  const steps = Array.from({ length: BODY_BYTES / PAYLOAD_BYTES }, (_, id) =>
    scheduled(id, payload),
  );
  scheduler.set("steps");
  scheduler.histories.set("steps", [turnStarted(), started(), ...steps]);
  scheduler.set("result", {
    status: "COMPLETED",
    output: JSON.stringify("x".repeat(BODY_BYTES)),
  });
  vi.useFakeTimers({ toFake: ["performance", "setInterval", "clearInterval"] });
  return (await startTestApi(scheduler.address)).url;
}

/** A client that reads only when the test has it read. */
class SlowClient {
  received = "";
  closed = false;
  readonly #socket: Socket;

  /** On a busy machine the scheduler may answer too late at first, which is a 503. */
  static async request(url: URL): Promise<SlowClient> {
    for (;;) {
      const client = await SlowClient.#request(url);
      await client.read(1);
      if (!client.received.startsWith("HTTP/1.1 503")) return client;
    }
  }

  static async #request(url: URL): Promise<SlowClient> {
    const socket = connect(Number(url.port), url.hostname);
    onTestFinished(() => void socket.destroy());
    await once(socket, "connect");
    socket.write(`GET ${url.pathname}${url.search} HTTP/1.0\r\n\r\n`);
    return new SlowClient(socket);
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      this.received += text;
      socket.pause();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.closed = true;
    });
  }

  /** Reads at least this much more, or all there is. */
  async read(bytes: number): Promise<void> {
    const goal = this.received.length + bytes;
    await eventually("more bytes", () => {
      this.#socket.resume();
      return this.closed || this.received.length >= goal;
    });
  }
}

const PATHS = ["/api/operations/result", "/api/operations/steps/history?include=payloads"];

test.each(PATHS)("a client that keeps reading gets all of %s", async (path) => {
  const client = await SlowClient.request(new URL(path, await startLarge()));
  while (!client.closed) {
    await client.read(3_000_000);
    vi.advanceTimersByTime(9000);
  }
  const [head = "", body = ""] = client.received.split("\r\n\r\n");
  expect(head).toContain("200 OK");
  expect(path).toContain(JSON.parse(body).operation_id);
  expect(body.length).toBeGreaterThan(BODY_BYTES);
});

test.each(PATHS)("a client that reads %s slower than 8 kB/s is cut off", async (path) => {
  const client = await SlowClient.request(new URL(path, await startLarge()));
  while (!client.closed) {
    await client.read(100_000);
    vi.advanceTimersByTime(60_000);
  }
  expect(client.received).toContain("200 OK");
  expect(client.received.length).toBeLessThan(BODY_BYTES);
});
