/** Debian's nginx in front of a real API, with its defaults: proxy buffering on, HTTP/1.0 to the upstream. */

import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import type { Instance } from "../../src/dts/instance.ts";
import { eventually, within } from "../helpers/deadline.ts";
import { runFollow } from "../helpers/follow.ts";
import { startNginx } from "../helpers/nginx.ts";
import { instance } from "../helpers/scheduler/instance.ts";
import { ScriptedScheduler } from "../helpers/scheduler/scripted-scheduler.ts";
import { SseClient } from "../helpers/sse-client.ts";
import { type Stack, startStack, startTestApi } from "../helpers/stack.ts";
import { WsClient } from "../helpers/ws-client.ts";

/** As much compression as nginx can be told to do. */
const GZIP = `
  gzip on;
  gzip_types *;
  gzip_proxied any;
  gzip_min_length 0;
  gzip_http_version 1.0;`;

const WITH_GZIP = { "accept-encoding": "gzip" };
const EVENTS = "/api/operations/op/events";
const SETTINGS = [
  { name: "its defaults", http: "", directives: "" },
  { name: "gzip for everything", http: GZIP, directives: "" },
  { name: "gzip and HTTP/1.1", http: GZIP, directives: "proxy_http_version 1.1;" },
];

/** What nginx needs for WebSockets, as docs/PROXIES.md has it. */
const UPGRADE = `
      proxy_set_header Host $http_host;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";`;

async function startBehindNginx({ http = "", directives = "" } = {}) {
  const scheduler = await ScriptedScheduler.start([instance()]);
  const api = await startTestApi(scheduler.address, { pollMinMs: 20, pollMaxMs: 50 });
  const nginx = await startNginx({ http, server: proxyTo(api, directives) });
  let revision = 0;
  const set = (overrides: Partial<Instance>) => {
    revision += 1;
    scheduler.set("op", instance({ lastUpdatedAtMs: 1_700_000_005_000 + revision, ...overrides }));
  };
  return { api, nginx, events: new URL(EVENTS, nginx), set };
}

function proxyTo({ url }: { readonly url: URL }, directives = ""): string {
  return `
    location / {
      proxy_pass ${url.origin};
      proxy_set_header Host $http_host;
      ${directives}
    }
    location = /api/ws {
      proxy_pass ${url.origin};${UPGRADE}
    }`;
}

const ENDED = { status: "COMPLETED", output: '"done"' } as const;

for (const { name, ...settings } of SETTINGS) {
  test(`with ${name}: each event arrives before the next change, and the end is clean`, async () => {
    const { events, set } = await startBehindNginx(settings);
    const client = await SseClient.connect(events, WITH_GZIP);
    expect(client.response.headers["content-encoding"]).toBe(settings.http ? "gzip" : undefined);
    expect((await client.nextState()).event).toBe("snapshot");
    for (const progress of [1, 2, 3]) {
      set({ customStatus: String(progress) });
      expect((await client.nextState()).data.operation.custom_status).toBe(progress);
    }
    set(ENDED);
    const last = await client.untilBye();
    expect(last.map(({ event }) => event)).toEqual(["update", "bye"]);
    expect(await client.ended()).toBe("ended");
  });

  test(`with ${name}: a stream resumes from Last-Event-ID, and is 204 after its end`, async () => {
    const { events, set } = await startBehindNginx(settings);
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

  test(`with ${name}: a waiting request is answered at the next change`, async () => {
    const { nginx, set } = await startBehindNginx(settings);
    const ask = (etag?: string | null) =>
      fetch(new URL("/api/operations/op", nginx), {
        headers: { prefer: "wait=25", ...(etag && { "if-none-match": etag }) },
      });
    const etag = (await ask()).headers.get("etag");
    const waiting = ask(etag);
    set(ENDED);
    const answer = await within("the answer", waiting);
    expect([answer.status, answer.headers.get("preference-applied")]).toEqual([200, "wait=25"]);
    expect(await answer.json()).toMatchObject({ status: "Completed" });
    expect((await ask(answer.headers.get("etag"))).status).toBe(304);
  });
}

test("a WebSocket passes with the upgrade headers, and its end as well", async () => {
  const { nginx, set } = await startBehindNginx();
  const client = await WsClient.connect(nginx, "/api/ws?operation_id=op");
  expect((await client.nextOf("snapshot")).operation.status).toBe("RUNNING");
  for (const progress of [1, 2]) {
    set({ customStatus: String(progress) });
    expect((await client.nextOf("update")).operation.custom_status).toBe(progress);
  }
  client.socket.close(1000);
  expect((await client.closed()).code).toBe(1000);
});

test("without the upgrade headers a WebSocket is refused with 426", async () => {
  const { api } = await startBehindNginx();
  const nginx = await startNginx({ server: `location / { proxy_pass ${api.url.origin}; }` });
  await expect(WsClient.connect(nginx)).rejects.toThrow("426");
});

test("events pass two of them as they happen if the inner one passes X-Accel-Buffering on", async () => {
  const { nginx, set } = await startBehindNginx({
    directives: "proxy_pass_header X-Accel-Buffering;",
  });
  const outer = await startNginx({ http: GZIP, server: proxyTo({ url: nginx }) });
  const client = await SseClient.connect(new URL(EVENTS, outer), WITH_GZIP);
  expect((await client.nextState()).event).toBe("snapshot");
  set({ customStatus: "1" });
  expect((await client.nextState()).data.operation.custom_status).toBe(1);
});

test("a client that disconnects from nginx is disconnected from the API", async () => {
  const { api, events } = await startBehindNginx();
  const client = await SseClient.connect(events);
  await client.nextState();
  expect(await openStreams(api)).toBe(1);
  client.destroy();
  await eventually("the stream to be gone", async () => (await openStreams(api)) === 0);
});

test("a stream of 150 UUIDs fits into its request line, one of 200 does not", async () => {
  const { nginx } = await startBehindNginx();
  const statusOf = async (count: number) => {
    const ids = Array.from({ length: count }, () => `operation_id=${randomUUID()}`);
    return (await SseClient.connect(new URL(`/api/events?${ids.join("&")}`, nginx))).status;
  };
  expect([await statusOf(150), await statusOf(200)]).toEqual([200, 414]);
});

test("the example client gets the same final documents over three transports", async () => {
  const stack = await startStack();
  const nginx = await startNginx({ http: GZIP, server: proxyTo(stack) });
  const result = runFollow(nginx, "--operations", "20", "--processing-time", "1");
  expect(await within("the client's end", result, 25_000)).toMatchObject({ code: 0, stderr: "" });
});

async function openStreams({ url }: Stack): Promise<number> {
  const metrics = await (await fetch(new URL("/metrics", url))).text();
  return Number(/^dts_push_connections\{transport="sse"\} (\d+)$/m.exec(metrics)?.[1] ?? 0);
}
