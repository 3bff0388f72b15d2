import { connect } from "node:net";
import { expect, test } from "vitest";
import { eventually } from "../helpers/deadline.ts";
import { ApiUnderTest } from "./api-under-test.ts";

const CLIENTS = 20;
/** Responses of other connections, such as the one by which the tag was read. */
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
  const clients = Array.from({ length: CLIENTS }, () => {
    const client = connect(Number(url.port), url.hostname);
    // A second request waits behind the first, and never gets a socket for its answer.
    client.on("error", () => undefined).write(wait + wait);
    return client;
  });
  const metrics = new URL("/metrics", api.url);
  await eventually("all requests to wait", async () =>
    (await (await fetch(metrics)).text()).includes(
      `dts_push_connections{transport="poll"} ${2 * CLIENTS}\n`,
    ),
  );
  for (const client of clients) client.destroy();
  const held = await eventually("the requests to be forgotten", async () => {
    const { responses } = await api.usage();
    return responses <= MOST_HELD && { responses };
  });
  expect(held.responses).toBeLessThanOrEqual(MOST_HELD);
});
