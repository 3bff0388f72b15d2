/** Real proxies in front of a real API, each with the configuration of docs/PROXIES.md, or with its defaults. */

import { afterEach, describe, expect, test } from "vitest";
import { violations } from "../helpers/contract/violations.ts";
import { within } from "../helpers/deadline.ts";
import { share } from "../helpers/lifetime.ts";
import { haproxy } from "../helpers/proxies/haproxy.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { WsClient } from "../helpers/ws-client.ts";
import { apache, plainApache } from "./support/apache.ts";
import { ENDED, ODD_IDS, openStreams, startBehind, WITH_GZIP } from "./support/behind.ts";
import { caddy } from "./support/caddy.ts";
import { gzippingNginx, nginx, nginxWithHttp11 } from "./support/nginx.ts";
import { plainVarnish, varnish } from "./support/varnish.ts";

/** Apache marks the tags of what it compresses, and Varnish gives a 304 a type. */
const PROXY_CHANGED = /etag: .*-gzip"$| → 304: application\/json is not described$/;

afterEach(() => {
  const kept = violations.filter((violation) => !PROXY_CHANGED.test(violation));
  violations.splice(0, violations.length, ...kept);
});

/** Whether it compresses a stream, and whether it passes all that an API sends and receives. */
const PROXIES = [
  { proxy: apache, gzips: true, passesAll: true },
  { proxy: plainApache, gzips: true, passesAll: false },
  { proxy: varnish, gzips: false, passesAll: true },
  { proxy: plainVarnish, gzips: false, passesAll: false },
  { proxy: haproxy, gzips: false, passesAll: true },
  { proxy: caddy, gzips: false, passesAll: true },
  { proxy: nginx, gzips: false, passesAll: true },
  { proxy: gzippingNginx, gzips: true, passesAll: true },
  { proxy: nginxWithHttp11, gzips: true, passesAll: true },
];

describe.for(PROXIES)("$proxy.name", ({ proxy, gzips, passesAll }) => {
  const behind = share(() => startBehind(proxy));

  test("each event arrives before the next change, and the end is clean", async () => {
    const { events, set } = behind.newOperation();
    const clients = await Promise.all([1, 2, 3].map(() => SseClient.connect(events, WITH_GZIP)));
    for (const client of clients) {
      expect(client.response.headers["content-encoding"]).toBe(gzips ? "gzip" : undefined);
      expect((await client.nextState()).event).toBe("snapshot");
    }
    for (const progress of [1, 2, 3]) {
      set({ customStatus: String(progress) });
      for (const client of clients) {
        expect((await client.nextState()).data.operation.custom_status).toBe(progress);
      }
    }
    set(ENDED);
    for (const client of clients) {
      expect((await client.untilBye()).map(({ event }) => event)).toEqual(["update", "bye"]);
      expect(await client.ended()).toBe("ended");
    }
  });

  test("a stream resumes from Last-Event-ID, and is 204 after its end", async () => {
    const { events, set } = behind.newOperation();
    const first = await SseClient.connect(events, WITH_GZIP);
    const { id = "" } = await first.nextState();
    first.destroy();
    const second = await SseClient.connect(events, { ...WITH_GZIP, "last-event-id": id });
    set(ENDED);
    const missed = await second.untilBye();
    expect(missed.map(({ data }) => data.operation?.status)).toEqual(["Completed", undefined]);
    const last = missed.at(-1)?.id ?? "";
    const third = await SseClient.connect(events, { ...WITH_GZIP, "last-event-id": last });
    expect([third.status, third.raw]).toEqual([204, ""]);
  });

  test("every id is found by query", async () => {
    for (const id of ODD_IDS) {
      const query = new URLSearchParams({ operation_id: id });
      const response = await fetch(new URL(`/api/operations?${query}`, behind.front));
      expect(await response.json(), id).toMatchObject({ operation_id: id });
      const client = await SseClient.connect(new URL(`/api/events?${query}`, behind.front));
      expect((await client.nextState()).data.operation.operation_id).toBe(id);
      client.destroy();
    }
    await behind.noStreams();
  });

  test("a client that disconnects from the proxy is disconnected from the API", async () => {
    const { events } = behind.newOperation();
    const client = await SseClient.connect(events);
    await client.nextState();
    expect(await openStreams(behind.api)).toBe(1);
    client.destroy();
    await behind.noStreams();
  });

  test.runIf(passesAll)("a long-poll request is answered at the next change", async () => {
    const { ask, set } = behind.newOperation();
    const etag = (await ask()).headers.get("etag");
    const waiting = ask(etag);
    set(ENDED);
    const answer = await within("the answer", waiting);
    expect([answer.status, answer.headers.get("preference-applied")]).toEqual([200, "wait=25"]);
    expect(await answer.json()).toMatchObject({ status: "Completed" });
    expect((await ask(answer.headers.get("etag"))).status).toBe(304);
  });

  test.runIf(passesAll)("a WebSocket passes, and its end as well", async () => {
    const { id, set } = behind.newOperation();
    const client = await WsClient.connect(behind.front, `/api/ws?operation_id=${id}`);
    expect((await client.nextOf("snapshot")).operation.status).toBe("RUNNING");
    for (const progress of [1, 2]) {
      set({ customStatus: String(progress) });
      expect((await client.nextOf("update")).operation.custom_status).toBe(progress);
    }
    client.socket.close(1000);
    expect((await client.closed()).code).toBe(1000);
  });
});

test("Varnish with its built-in rules: a long-poll loop pauses, although its tag is removed", async () => {
  const { ask } = (await startBehind(plainVarnish)).newOperation();
  const etag = (await ask()).headers.get("etag");
  const answer = await within("the answer", ask(etag));
  expect(answer.headers.get("preference-applied")).toBeNull();
  expect(Number(answer.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
});
