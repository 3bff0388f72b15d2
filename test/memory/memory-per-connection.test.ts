import { expect, test } from "vitest";
import { RawConnection } from "../api/support/raw-connection.ts";
import { ApiUnderTest } from "./api-under-test.ts";

const CONNECTIONS = 1000;
/** Opened at a time. */
const LANES = 20;
/** Opened before anything is measured, so that code and caches are there. */
const WARM_UP = 300;

const TRANSPORTS = [
  {
    name: "SSE",
    request: "GET /api/operations/idle/events HTTP/1.1\r\nhost: localhost\r\n\r\n",
    maxBytes: 4000,
  },
  {
    name: "WebSocket",
    request:
      "GET /api/ws?operation_id=idle HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\n" +
      "upgrade: websocket\r\nsec-websocket-version: 13\r\n" +
      "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    maxBytes: 7000,
  },
];

/** Opens connections that stay open, and waits until each has received the first state. */
async function open(url: URL, request: string, count: number): Promise<void> {
  const lane = async () => {
    for (let opened = 0; opened < count / LANES; opened += 1) {
      const connection = await RawConnection.open(url);
      await connection.send(request).until(/"type":"snapshot"/);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

test.for(TRANSPORTS)(
  "an idle $name connection holds nothing of its request, and nothing of HTTP",
  async ({ request, maxBytes }) => {
    const api = await ApiUnderTest.start();
    await open(api.url, request, WARM_UP);
    const before = await api.usage();
    await open(api.url, request, CONNECTIONS);
    const after = await api.usage();
    const bytes = (after.usedBytes - before.usedBytes) / CONNECTIONS;
    // Request and response of Node and Fastify would add more than this.
    expect(bytes).toBeLessThan(maxBytes);
  },
);
