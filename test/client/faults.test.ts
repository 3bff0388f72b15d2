/** What the client yields when connections break, fall silent or are refused: the same as without faults. */

import { createServer } from "node:http";
import { expect, test, vi } from "vitest";
import { type ConnectionState, createClient, type Transport } from "../../client/client.ts";
import { violations } from "../helpers/contract/violations.ts";
import { eventually, within } from "../helpers/deadline.ts";
import { onEnd } from "../helpers/lifetime.ts";
import { startProxy } from "../helpers/proxies/program.ts";
import { startTestApi } from "../helpers/stack.ts";
import { gzippingNginx, nginxWithoutUpgrade } from "../proxy/support/nginx.ts";
import { next, rest } from "./support/received.ts";
import { startRelay } from "./support/relay.ts";
import { ENDED, TRANSPORTS, useScriptedServer } from "./support/server.ts";

/** Heartbeats that come so often let a test find silence soon. */
const server = useScriptedServer({ heartbeatMs: 1000 });

/** Numbers from 0 to 1, the same for the same seed. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

test("connections that are cut at any byte lose and repeat no state", async () => {
  const random = seeded(17);
  const watchAll = async (transport: Transport) => {
    const relay = await startRelay(
      () => server.url,
      (_, number) => (number < 2 ? { cutAfter: Math.floor(random() * 1500) } : {}),
    );
    const { id, set, percent } = server.operation();
    const cursors: string[] = [];
    let changes = 0;
    const changing = setInterval(() => percent(++changes), 40);
    onEnd(() => clearInterval(changing));
    let last: string | undefined;
    for await (const { status, cursor } of createClient({ url: relay.url, transport }).watch(id)) {
      cursors.push(cursor);
      last = status;
      if (relay.connections <= 2 || status !== "RUNNING") continue;
      clearInterval(changing);
      set(ENDED);
    }
    expect(last).toBe("Completed");
    expect(new Set(cursors).size, transport).toBe(cursors.length);
  };
  const clients = TRANSPORTS.flatMap((transport) => Array<Transport>(5).fill(transport));
  await within("the end of all", Promise.all(clients.map(watchAll)));
});

test("a server that ends a stream without a word, and WebSockets that are mute, are no end", async () => {
  const cutOften = async () => {
    const { id, set } = server.operation();
    const relay = await startRelay(() => server.url);
    const client = createClient({ url: relay.url, transport: "sse" });
    const watched = client.watch(id);
    await next(watched);
    const following = next(watched);
    for (let cuts = 0; cuts < 3; cuts += 1) {
      const before = relay.connections;
      relay.cut();
      await eventually("another connection", () => relay.connections > before);
    }
    set(ENDED);
    expect((await following).status).toBe("Completed");
  };
  const mute = async (muteAfter: number) => {
    const relay = await startRelay(
      () => server.url,
      (request) => (request.includes("/api/ws") ? { muteAfter } : {}),
    );
    const { id, set } = server.operation();
    const client = createClient({ url: relay.url });
    const shown: ConnectionState[] = [];
    const watched = client.watch(id, { onState: (state) => shown.push(state) });
    await next(watched);
    const following = next(watched);
    const isOverSse = () => shown.some((each) => "transport" in each && each.transport === "sse");
    await eventually("SSE", isOverSse);
    set(ENDED);
    expect((await following).status).toBe("Completed");
    // That is remembered.
    const transports = new Set<string>();
    const again = client.watch(server.operation().id, {
      onState: (state) => "transport" in state && transports.add(state.transport),
    });
    await next(again);
    await again.return();
    expect([...transports]).toEqual(["sse"]);
  };
  await Promise.all([cutOften(), mute(0), mute(1100)]);
});

test("a stream that ends ends none of those that join it at that moment", async () => {
  const relay = await startRelay(() => server.url);
  const client = createClient({ url: relay.url, transport: "sse" });
  const first = client.watch(server.operation().id);
  await next(first);
  const kinds: string[] = [];
  const joining = client.watch(server.operation().id, { onState: ({ kind }) => kinds.push(kind) });
  const following = next(joining);
  await new Promise((resolve) => setImmediate(resolve)); // It waits for a stream with both.
  relay.cut();
  await following;
  expect(kinds).not.toContain("retrying");
  for (const each of [first, joining]) void each.return();
});

test("behind nginx without upgrades it works over SSE, with them over WebSocket", async () => {
  for (const [proxy, transport] of [
    [nginxWithoutUpgrade, "sse"],
    [gzippingNginx, "websocket"],
  ] as const) {
    const front = await startProxy(proxy, server.url);
    const { id, set } = server.operation();
    const transports = new Set<string>();
    const watched = createClient({ url: front }).watch(id, {
      onState: (state) => "transport" in state && transports.add(state.transport),
    });
    await next(watched);
    set(ENDED);
    expect((await rest(watched)).map(({ status }) => status)).toEqual(["Completed"]);
    expect([...transports], proxy.name).toEqual([transport]);
  }
});

test("a drain and another replica are not noticed", async () => {
  const watchOver = async (transport: Transport) => {
    const one = await startTestApi(server.address, { pollMinMs: 20, pollMaxMs: 50 });
    let target = one.url;
    const relay = await startRelay(() => target);
    const { id, set, percent } = server.operation();
    const watched = createClient({ url: relay.url, transport }).watch(id);
    await next(watched);
    const following = next(watched);
    target = server.url;
    await one.stopApi();
    percent(7);
    expect((await following).custom_status).toBe(7);
    set(ENDED);
    expect((await rest(watched)).map(({ status }) => status)).toEqual(["Completed"]);
  };
  await Promise.all(TRANSPORTS.map(watchOver));
});

test.each([400, 401, 403, 404, 410, 422, 501])("%i is final", async (status) => {
  const answering = await startAnswering(() => ({ status }));
  const watched = createClient({ url: answering.url, transport: "sse" }).watch("op").next();
  await expect(within("its end", watched)).rejects.toMatchObject({ status });
  expect(answering.requests).toBe(1);
  answering.isNoServer();
});

test("429 and 503 are repeated, and not before Retry-After", async () => {
  const answering = await startAnswering((request) => ({
    status: [429, 503][request] ?? 404,
    headers: { "retry-after": "1" },
  }));
  const pausesMs: number[] = [];
  const onState = (state: ConnectionState) => {
    if (state.kind === "retrying") pausesMs.push(state.at - Date.now());
  };
  const client = createClient({ url: answering.url, transport: "sse" });
  const watched = client.watch("op", { onState }).next();
  await expect(within("its end", watched)).rejects.toMatchObject({ status: 404 });
  expect(pausesMs.length).toBe(2);
  for (const each of pausesMs) expect(each).toBeGreaterThan(900);
  answering.isNoServer();
});

test("a long-poll's retry of 0 is no pause between attempts that fail", async () => {
  vi.spyOn(Math, "random").mockReturnValue(0.1);
  onEnd(() => vi.restoreAllMocks());
  const poll = 'retry: 0\nevent: bye\ndata: {"type":"bye","reconnect":true,"retry_ms":0}\n\n';
  const answering = await startAnswering((request) => {
    if (request === 0) return { status: 200, body: poll };
    return { status: request < 4 ? 503 : 404 };
  });
  const pausesMs: number[] = [];
  const onState = (state: ConnectionState) => {
    if (state.kind === "retrying") pausesMs.push(Math.round(state.at - Date.now()));
  };
  const client = createClient({ url: answering.url, transport: "long-poll" });
  const watched = client.watch("op", { onState }).next();
  await expect(within("its end", watched)).rejects.toMatchObject({ status: 404 });
  const [first, ...failed] = pausesMs;
  expect(first).toBeLessThanOrEqual(0);
  expect(Math.max(...failed)).toBeGreaterThan(10);
  answering.isNoServer();
});

/** A server that answers each request so. */
async function startAnswering(
  answer: (request: number) => { status: number; headers?: Record<string, string>; body?: string },
) {
  let requests = 0;
  const http = createServer((_, response) => {
    const { status, headers = {}, body } = answer(requests++);
    response.writeHead(status, headers).end(body);
  });
  await new Promise<void>((listening) => http.listen(0, "127.0.0.1", listening));
  onEnd(() => http.close());
  const { port } = http.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    get requests() {
      return requests;
    },
    /** Its answers need not be those of the API. */
    isNoServer() {
      violations.length = 0;
    },
  };
}
