import { connect } from "node:net";
import { expect, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { ApiUnderTest } from "./api-under-test.ts";

const REQUESTS = 100;
/** Those of connections that are open, and the one that a request for it may have left. */
const MOST_HELD = 10;

test("nothing of a request is kept whose client left before its answer", async () => {
  const api = await ApiUnderTest.start();
  const url = new URL("/api/operations/idle", api.url);
  const answer = await fetch(url);
  await answer.text();
  const wait = [
    `GET ${url.pathname} HTTP/1.1`,
    `host: ${url.host}`,
    `if-none-match: ${answer.headers.get("etag")}`,
    "prefer: wait=30",
    "\r\n",
  ].join("\r\n");
  const clients = Array.from({ length: REQUESTS }, () => {
    const client = connect(Number(url.port), url.hostname);
    // A second request waits behind the first, and never gets a socket for its answer.
    client.on("error", () => undefined).write(wait + wait);
    return client;
  });
  await eventually(
    "all requests to be held",
    async () => (await api.usage()).responses >= 2 * REQUESTS,
  );
  for (const client of clients) client.destroy();
  const held = await eventually("the requests to be forgotten", async () => {
    const { responses } = await api.usage();
    return responses <= MOST_HELD && { responses };
  });
  expect(held.responses).toBeLessThanOrEqual(MOST_HELD);
});
