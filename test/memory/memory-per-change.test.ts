import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { WsClient } from "../helpers/ws-client.ts";
import { ApiUnderTest } from "./api-under-test.ts";

const CHANGES = 10_000;
/** By then caches are full and the code is compiled. */
const WARM_UP = 4000;
/** A state that is kept takes 2.5 KiB. */
const MAX_BYTES_PER_CHANGE = 250;

/** An SSE client that only counts. */
async function countEvents(url: URL, event: string): Promise<() => number> {
  let count = 0;
  const { response } = await SseClient.connect(url);
  response.removeAllListeners("data");
  response.on("data", (text: string) => {
    count += text.split(`event: ${event}\n`).length - 1;
  });
  return () => count;
}

async function countMessages(base: URL): Promise<() => number> {
  let count = 0;
  const { socket } = await WsClient.connect(base, "/api/ws?operation_id=op");
  socket.removeAllListeners("message");
  socket.on("message", () => {
    count += 1;
  });
  return () => count;
}

/** Waits for one change after the other, until the test ends. */
function countPolls(url: URL): () => number {
  let count = 0;
  let over = false;
  onTestFinished(() => {
    over = true;
  });
  const poll = async () => {
    let etag: string | null = null;
    while (!over) {
      const headers: Record<string, string> = etag
        ? { prefer: "wait=25", "if-none-match": etag }
        : {};
      const response = await fetch(url, { headers });
      await response.text();
      etag = response.headers.get("etag");
      count += 1;
    }
  };
  void poll().catch(() => undefined);
  return () => count;
}

test("memory does not grow with the number of changes, whatever the transport", {
  timeout: 300_000,
}, async () => {
  const api = await ApiUnderTest.start();
  const { url } = api;
  const at = (path: string) => new URL(path, url);
  const counts = {
    sse: await countEvents(at("/api/operations/op/events"), "update"),
    several: await countEvents(at("/api/events?operation_id=op&operation_id=op-2"), "update"),
    steps: await countEvents(at("/api/operations/op/events?detail=steps"), "step"),
    feed: await countEvents(at("/api/events"), "update"),
    websocket: await countMessages(url),
    longPoll: countPolls(at("/api/operations/op")),
  };
  const after = (changes: number) =>
    eventually(
      `${changes} changes`,
      async () => {
        const usage = await api.usage();
        if (usage.changes >= changes) return usage;
        await new Promise((resolve) => setTimeout(resolve, 200));
        return undefined;
      },
      240_000,
    );
  const before = await after(WARM_UP);
  const sentBefore = Object.values(counts).map((count) => count());
  const usage = await after(before.changes + CHANGES);
  for (const [index, [transport, count]] of Object.entries(counts).entries()) {
    expect(count() - (sentBefore[index] ?? 0), transport).toBeGreaterThan(100);
  }
  const grownBytes = usage.usedBytes - before.usedBytes;
  expect(grownBytes / (usage.changes - before.changes)).toBeLessThan(MAX_BYTES_PER_CHANGE);
});
