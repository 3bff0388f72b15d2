/** Real proxies in front of a real API, each with the configuration of docs/PROXIES.md. */

import { expect, test } from "vitest";
import type { Instance } from "../../src/dts/instance.ts";
import { eventually, within } from "../helpers/deadline.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { type Stack, startTestApi } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";
import { type ProxyProgram, startProxy } from "./support/program.ts";
import { apache, caddy, haproxy, plainApache, plainVarnish, varnish } from "./support/proxies.ts";

const WITH_GZIP = { "accept-encoding": "gzip" };
const ENDED = { status: "COMPLETED", output: '"done"' } as const;
/** Ids that URL parsers and proxies change in a path. */
const ODD_IDS = [".", "..", "a/b", "a//b", "a%2Fb", "back\\slash", "a b?c#d", "t+1&x"];

async function startBehind(proxy: ProxyProgram) {
  const scheduler = await ScriptedScheduler.start(["op", ...ODD_IDS].map((id) => instance({ id })));
  const api = await startTestApi(scheduler.address, { pollMinMs: 20, pollMaxMs: 50 });
  const front = await startProxy(proxy, api.url);
  let revision = 0;
  const set = (overrides: Partial<Instance>) => {
    revision += 1;
    scheduler.set("op", instance({ lastUpdatedAtMs: 1_700_000_005_000 + revision, ...overrides }));
  };
  const ask = (etag?: string | null) =>
    fetch(new URL("/api/operations/op", front), {
      headers: { prefer: "wait=25", ...(etag && { "if-none-match": etag }) },
    });
  return { api, front, events: new URL("/api/operations/op/events", front), set, ask };
}

for (const proxy of [apache, plainApache, varnish, plainVarnish, haproxy, caddy]) {
  test(`${proxy.name}: each event arrives before the next change, and the end is clean`, async () => {
    const { events, set } = await startBehind(proxy);
    const clients = await Promise.all([1, 2, 3].map(() => SseClient.connect(events, WITH_GZIP)));
    for (const client of clients) expect((await client.nextState()).event).toBe("snapshot");
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

  test(`${proxy.name}: a stream resumes from Last-Event-ID, and is 204 after its end`, async () => {
    const { events, set } = await startBehind(proxy);
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

  test(`${proxy.name}: every id is found by query`, async () => {
    const { front } = await startBehind(proxy);
    for (const id of ODD_IDS) {
      const query = new URLSearchParams({ operation_id: id });
      const response = await fetch(new URL(`/api/operations?${query}`, front));
      expect(await response.json(), id).toMatchObject({ operation_id: id });
      const client = await SseClient.connect(new URL(`/api/events?${query}`, front));
      expect((await client.nextState()).data.operation.operation_id).toBe(id);
      client.destroy();
    }
  });

  test(`${proxy.name}: a client that disconnects from the proxy is disconnected from the API`, async () => {
    const { api, events, set } = await startBehind(proxy);
    const client = await SseClient.connect(events);
    await client.nextState();
    expect(await openStreams(api)).toBe(1);
    client.destroy();
    let progress = 0;
    // Some proxies notice only when there is something to send.
    await eventually("the stream to be closed", async () => {
      progress += 1;
      set({ customStatus: String(progress) });
      return (await openStreams(api)) === 0;
    });
  });
}

for (const proxy of [apache, varnish, haproxy, caddy]) {
  test(`${proxy.name}: a long-poll request is answered at the next change`, async () => {
    const { ask, set } = await startBehind(proxy);
    const etag = (await ask()).headers.get("etag");
    const waiting = ask(etag);
    set(ENDED);
    const answer = await within("the answer", waiting);
    expect([answer.status, answer.headers.get("preference-applied")]).toEqual([200, "wait=25"]);
    expect(await answer.json()).toMatchObject({ status: "Completed" });
    expect((await ask(answer.headers.get("etag"))).status).toBe(304);
  });

  test(`${proxy.name}: a WebSocket passes, and its end as well`, async () => {
    const { front, set } = await startBehind(proxy);
    const client = await WsClient.connect(front, "/api/ws?operation_id=op");
    expect((await client.nextOf("snapshot")).operation.status).toBe("RUNNING");
    set({ customStatus: "1" });
    expect((await client.nextOf("update")).operation.custom_status).toBe(1);
    client.socket.close(1000);
    expect((await client.closed()).code).toBe(1000);
  });
}

test("Varnish with its built-in rules: a long-poll loop does not spin, although its tag is removed", async () => {
  const { ask } = await startBehind(plainVarnish);
  const etag = (await ask()).headers.get("etag");
  const answer = await within("the answer", ask(etag));
  expect(answer.headers.get("preference-applied")).toBeNull();
  expect(Number(answer.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
});

async function openStreams({ url }: Stack): Promise<number> {
  const metrics = await (await fetch(new URL("/metrics", url))).text();
  return Number(/^dts_push_connections\{transport="sse"\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
}
