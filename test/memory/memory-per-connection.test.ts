import { expect, test } from "vitest";
import { RawConnection } from "../api/support/raw-connection.ts";
import { ApiUnderTest } from "./api-under-test.ts";

const CONNECTIONS = 1000;
/** Opened at a time. */
const LANES = 20;
/** Opened before anything is measured, so that code and caches are there. */
const WARM_UP = 300;

const SSE = "GET /api/operations/idle/events HTTP/1.1\r\nhost: localhost\r\n\r\n";

/** Opens connections that stay open, and waits until each has received `first`. */
async function open(url: URL, request: string, first: RegExp, count: number): Promise<void> {
  const lane = async () => {
    for (let opened = 0; opened < count / LANES; opened += 1) {
      const connection = await RawConnection.open(url);
      await connection.send(request).until(first);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}

test("an idle SSE connection holds little: nothing of its request, and nothing of HTTP", async () => {
  const api = await ApiUnderTest.start();
  await open(api.url, SSE, /event: snapshot/, WARM_UP);
  const before = await api.usage();
  await open(api.url, SSE, /event: snapshot/, CONNECTIONS);
  const after = await api.usage();
  // Request, response and parser would add more than this.
  expect((after.usedBytes - before.usedBytes) / CONNECTIONS).toBeLessThan(4000);
});
